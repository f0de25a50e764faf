"""`POST /v1/leases`: who measures what, so that two tuning processes do not measure one candidate."""

from __future__ import annotations

import threading
from hashlib import blake2b

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from service.openapi import DOCUMENT, json_body
from service.replies import PROBLEMS, body_of, json_of
from service.state import sender_of, service_of
from tunedb.errors import UsageError
from tunedb.store.http import wire
from tunedb.store.http.leases import PATH, Deed, LeaseAnswer, LeaseRequest

router = APIRouter(responses={**PROBLEMS, 200: DOCUMENT})
_one_at_a_time = threading.Lock()  # two who want the same key at once would both give way


@router.post(PATH, openapi_extra={"requestBody": json_body("LeaseRequest")})
def lease(request: Request, body: bytes = Depends(body_of)) -> Response:
    """Claims, renews or releases keys for a holder, or looks which of some are leased. A holder is one of its sender's:
    nobody can give back what another has.
    """
    asked: LeaseRequest = json_of(body, LeaseRequest, "the request")
    leases = service_of(request).store.leases
    with _one_at_a_time:
        if asked.deed is Deed.LOOK:
            found = leases.leased(asked.keys or [])
        else:
            if not asked.holder:
                raise UsageError("leases have a holder: letters, digits, _ and -")
            holder = _holder(sender_of(request), asked.holder)
            if asked.deed is Deed.CLAIM:
                found = leases.claim(holder, asked.keys or [], asked.secs)
            elif asked.deed is Deed.RENEW:
                found = leases.renew(holder, asked.secs)
            else:
                leases.release(holder, asked.keys)
                found = set()
    return Response(msgspec.json.encode(LeaseAnswer(sorted(found))), media_type=wire.JSON)


def _holder(sender: str, name: str) -> str:
    return f"{name}-{blake2b(sender.encode(), digest_size=6).hexdigest()}" if sender else name
