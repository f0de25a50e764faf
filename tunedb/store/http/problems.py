"""Errors over HTTP: RFC 9457 problem documents that carry what our errors carry, and the errors that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tunedb.errors import (
    AccessError,
    AmbiguousPrefixError,
    BadInputError,
    ModelError,
    NotFoundError,
    StoreAwayError,
    StoreError,
    StoreSchemaError,
    TunedbError,
    UsageError,
    kind_of,
)

PROBLEM = "application/problem+json"
_TYPE = "urn:tunedb:error:"

_STATUS: tuple[tuple[type[TunedbError], int], ...] = (  # the first that fits
    (AmbiguousPrefixError, 409),
    (NotFoundError, 404),
    (UsageError, 400),
    (BadInputError, 422),
    (AccessError, 403),
    (StoreSchemaError, 500),
    (StoreError, 503),
)
_OF_KIND: Mapping[str, type[TunedbError]] = {
    "ambiguous-prefix": AmbiguousPrefixError,
    "not-found": NotFoundError,
    "usage": UsageError,
    "bad-input": BadInputError,
    "damaged": BadInputError,
    "access": AccessError,
    "store-schema": StoreSchemaError,
    "store-away": StoreAwayError,
    "store": StoreError,
    "model": ModelError,
}
_CARRIED = ("asked", "matches", "found", "expected", "wanted", "retry_after_secs")  # of errors, where they have them
_AWAY = (429, 502, 503, 504)


def status_of(error: TunedbError) -> int:
    """The HTTP status that an error is answered with."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(error: TunedbError, status: int | None = None) -> dict[str, Any]:
    """The problem document of an error.

    Args:
        error: the error.
        status: the HTTP status; None is the error's own.
    """
    kind = kind_of(error)
    document: dict[str, Any] = {
        "type": _TYPE + kind,
        "title": kind.replace("-", " ").capitalize(),
        "status": status or status_of(error),
        "detail": str(error),
        "kind": kind,
    }
    if isinstance(error, NotFoundError) and error.kind:
        document["what"] = error.kind
    for name in _CARRIED:
        value = getattr(error, name, None)
        if value not in (None, ""):
            document[name] = list(value) if isinstance(value, tuple) else value
    return document


class _Problem(msgspec.Struct):
    """What is read of a problem document."""

    detail: str = ""
    kind: str = ""
    what: str = ""
    asked: str = ""
    matches: list[str] = []
    found: int | None = None
    expected: int | None = None
    wanted: str = ""


def error_of(status: int, content: bytes, retry_after: str | None = None) -> TunedbError:
    """The error that an answer with an error's status stands for.

    Args:
        status: the HTTP status, from 400 on.
        content: the answer's body, a problem document if it comes from a service of ours.
        retry_after: the answer's header of this name.
    """
    try:
        told = msgspec.json.decode(content, type=_Problem)
    except (ValueError, RecursionError):  # something between us and the service has answered
        told = _Problem()
    text = told.detail or f"the service answers with HTTP status {status}"
    kind = _OF_KIND.get(told.kind, StoreError)
    if status in _AWAY:
        return StoreAwayError(text, retry_after_secs=_secs(retry_after))
    if status in (401, 403):
        return AccessError(text, wanted=told.wanted)
    if kind is AmbiguousPrefixError:
        return AmbiguousPrefixError(text, kind=told.what, asked=told.asked, matches=told.matches)
    if kind is NotFoundError:
        return NotFoundError(text, kind=told.what, asked=told.asked)
    if kind is StoreSchemaError:
        return StoreSchemaError(text, found=told.found, expected=told.expected)
    if kind is StoreError and status in (400, 413, 415, 422):
        return BadInputError(text)
    return kind(text)


def _secs(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return None
