"""The store's contract for `tunedb.store.http`: its questions by name, its tables, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from service.ipc import ipc_pieces
from service.replies import PROBLEMS, body_of, document, message, wants_message
from service.state import sender_of, service_of
from service.streams import streamed
from tunedb.errors import NotFoundError
from tunedb.program.releases import installed
from tunedb.store import schema
from tunedb.store.http import wire

router = APIRouter(responses=PROBLEMS)
_FRAMES: dict[str, Callable[[Iterator[Any]], Iterator[bytes]]] = {
    "trials": wire.trial_frames,
    "rejected": wire.rejected_frames,
}


@router.get("/v1/about")
def about(request: Request) -> Response:
    """What this service is: by it a client knows whether it can speak to it."""
    told = {"tunedb": installed("tunedb"), "schema_version": schema.SCHEMA_VERSION, "sender": sender_of(request)}
    return message(told) if wants_message(request) else document(request, told)


@router.post("/v1/store/{question}", include_in_schema=False)
def ask(request: Request, question: str, body: bytes = Depends(body_of)) -> Response:
    """A question of the contract, its arguments and answer as MessagePack."""
    if question not in (*wire.ASKED, *wire.STREAMED):
        raise NotFoundError(f"there is no question {question[:40]!r}", kind="question", asked=question[:40])
    service = service_of(request)
    asked = wire.question(question)
    given = msgspec.structs.asdict(wire.decode(body, asked.arguments, "the arguments"))
    if question in wire.ASKED:
        return message(getattr(service.store, question)(**given))

    @contextmanager
    def pieces() -> Iterator[Iterator[bytes]]:
        found: Iterator[Any] = getattr(service.store, question)(**given)
        yield wire.framed(_FRAMES[question](found))

    return streamed(service, pieces, wire.FRAMES)


@router.get("/v1/tables/{name}", include_in_schema=False)
def table(request: Request, name: str) -> Response:
    """A table as a stream of Arrow's."""
    service = service_of(request)
    schema.checked_table(name)

    @contextmanager
    def pieces() -> Iterator[Iterator[bytes]]:
        with service.store.table(name) as reader:
            yield ipc_pieces(reader)

    return streamed(service, pieces, wire.ARROW)


@router.get("/v1/problems", include_in_schema=False)
def problems(request: Request) -> Response:
    """What is wrong with the store, at a quick look."""
    return message(service_of(request).store.problems())
