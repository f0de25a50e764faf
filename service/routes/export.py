"""`GET /v1/export`: trials as one flat table, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.ipc import ipc_pieces, json_lines
from service.replies import PROBLEMS
from service.state import service_of
from service.streams import streamed
from tunedb.store.http import wire

_LINES = "application/x-ndjson"
_STREAM = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(
    responses={**PROBLEMS, 200: {"description": "The trials.", "content": {wire.ARROW: _STREAM, _LINES: _STREAM}}}
)


class Form(StrEnum):
    """The form of a stream."""

    ARROW = "arrow"
    JSONL = "jsonl"


Id = Annotated[str | None, Query(pattern="^(unknown-)?[0-9a-f]{32}$", description="A whole id.")]


@router.get("/v1/export")
def export(
    request: Request,
    format: Form = Form.ARROW,
    workload_id: Id = None,
    target_id: Id = None,
    top: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Response:
    """Trials with what they refer to, as the table that `tunedb export` writes has them."""
    service = service_of(request)

    @contextmanager
    def pieces() -> Iterator[Iterator[bytes]]:
        with service.store.flat_trials(workload_id, target_id, top) as reader:
            yield ipc_pieces(reader) if format is Form.ARROW else json_lines(reader)

    return streamed(service, pieces, wire.ARROW if format is Form.ARROW else _LINES)
