"""`POST /v1/trials`: what tuning machines have measured. Answered when it is committed."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request, Response

from service.committing import Pushed, Refusal, num_rows
from service.openapi import PUSH, RECEIPT
from service.problems import answer, refused
from service.replies import PROBLEMS, media_type, message
from service.state import sender_of, service_of
from tunedb.documents.reports import appended
from tunedb.store.http import wire

router = APIRouter()


@router.post("/v1/trials", status_code=200, responses={**PROBLEMS, 200: RECEIPT}, openapi_extra={"requestBody": PUSH})
async def push(request: Request) -> Response:
    """Stores trials and what they refer to. What is there already is left as it is: sending again is harmless."""
    service, form = service_of(request), media_type(request)
    if form not in (wire.MESSAGE, wire.JSON):
        return answer(415, "bad-input", f"a push is {wire.JSON} or {wire.MESSAGE}")
    limits, content = service.settings.limits, await request.body()
    push = Pushed(content, form == wire.JSON, sender_of(request), limits.rows, limits.json_depth)
    done = await asyncio.wrap_future(service.writer.submit(push, num_rows(push)))
    if isinstance(done, Refusal):
        return refused(done)
    service.metrics.pushed(done.added, done.duplicates)
    if form == wire.MESSAGE:
        return message(done)
    return Response(msgspec.json.encode(appended(done)), media_type=wire.JSON)
