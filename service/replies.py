"""Answers as JSON or MessagePack, with a tag of their content, so that what a client has already is not sent again."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tunedb.store.http import wire

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in {
        400: "It makes no sense.",
        401: "There is no token, or none that is valid.",
        403: "The token's scope is too small, or the host or origin is another.",
        404: "There is no such thing.",
        405: "The path has no such method.",
        408: "The request took too long to come.",
        409: "The prefix fits several things.",
        413: "It is too large.",
        415: "It has a media type, or an encoding, that is not read.",
        422: "It cannot be read.",
        429: "Too many requests.",
        503: "The store cannot be asked at present, or too much waits.",
    }.items()
}
"""What every route may answer when it does not do what it was asked."""


def document(request: Request, content: Any) -> Response:
    """A JSON document; 304 where the client has it already."""
    body = msgspec.json.encode(content)
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=wire.JSON)


def message(content: Any) -> Response:
    """A value as MessagePack, for a store's client."""
    return Response(wire.encode(content), media_type=wire.MESSAGE)


def wants_message(request: Request) -> bool:
    """Whether a store's client asks."""
    return request.headers.get("accept", "") == wire.MESSAGE


def media_type(request: Request) -> str:
    """The media type of what was sent, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body_of(request: Request) -> bytes:
    """What was sent; the guard has seen to it that there is not too much."""
    return await request.body()


def json_of(content: bytes, type_: Any, what: str) -> Any:
    """A value of a type, from JSON that was sent.

    Raises:
        BadInputError: it is not of that type.
    """
    return wire.decode_json(content, type_, what)
