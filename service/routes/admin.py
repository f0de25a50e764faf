"""What takes an administrator's token: who sent what, taking a source back, and looking after the store."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Depends, Request, Response

from service.openapi import DOCUMENT
from service.replies import PROBLEMS, body_of, document, message
from service.state import sender_of, service_of
from tunedb.documents.reports import deliveries, revised
from tunedb.errors import UsageError
from tunedb.store.http import wire

router = APIRouter(responses={**PROBLEMS, 200: DOCUMENT})


@router.get("/v1/admin/sources")
def sources(request: Request) -> Response:
    """Every source, with who sent it."""
    store = service_of(request).store
    return document(request, deliveries(store.sources(), store.deliveries()))


@router.delete("/v1/admin/sources/{source_id}")
def remove(request: Request, source_id: str, dry_run: bool = False) -> Response:
    """Takes a source back: its trials, and what was quarantined of it. Only a whole id is taken."""
    from tunedb.maintenance import remove as removing

    store = service_of(request).store
    if store.url == "memory:":
        raise UsageError("a store in memory takes nothing back")
    if len(source_id) != 32:
        raise UsageError("a source is named by its whole id here")
    done = removing.remove(store.url, source_id, by=f"token {sender_of(request)}", dry_run=dry_run)
    return document(request, revised("", done, dry_run=dry_run))


@router.get("/v1/admin/problems", include_in_schema=False)
def problems(request: Request) -> Response:
    """What is wrong with the store, every row looked at."""
    return message(service_of(request).store.problems(whole=True))


@router.post("/v1/admin/compact", include_in_schema=False)
def compact(request: Request, body: bytes = Depends(body_of)) -> Response:
    """Makes reading fast again after many small appends."""
    grace = wire.decode(body, float, "the grace period")
    return message(service_of(request).store.compact(timedelta(seconds=grace)))
