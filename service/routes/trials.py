"""`POST /v1/trials`: what tuning machines have measured. Answered when it is committed."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request, Response

from service.incoming import checked
from service.openapi import PUSH, RECEIPT
from service.problems import answer
from service.replies import PROBLEMS, json_of, media_type, message
from service.state import Service, sender_of, service_of
from tunedb.documents.reports import appended
from tunedb.records import AppendReport
from tunedb.store.batch import Batch
from tunedb.store.http import wire

router = APIRouter()


@router.post("/v1/trials", status_code=200, responses={**PROBLEMS, 200: RECEIPT}, openapi_extra={"requestBody": PUSH})
async def push(request: Request) -> Response:
    """Stores trials and what they refer to. What is there already is left as it is: sending again is harmless."""
    service, form = service_of(request), media_type(request)
    if form not in (wire.MESSAGE, wire.JSON):
        return answer(415, "bad-input", f"a push is {wire.JSON} or {wire.MESSAGE}")
    content = await request.body()
    batch = await asyncio.to_thread(_batch, service, content, form, sender_of(request))
    report = await asyncio.wrap_future(service.writer.submit(batch)) if not batch.is_empty() else AppendReport()
    service.metrics.pushed(report.added, report.duplicates)
    if form == wire.MESSAGE:
        return message(report)
    return Response(msgspec.json.encode(appended(report)), media_type=wire.JSON)


def _batch(service: Service, content: bytes, form: str, sender: str) -> Batch:
    if form == wire.MESSAGE:
        given = wire.decode(content, wire.Push, "the push")
    else:
        given = json_of(content, wire.JsonPush, "the push").push()
    limits = service.settings.limits
    return checked(given, sender, most_rows=limits.rows, depth=limits.json_depth)
