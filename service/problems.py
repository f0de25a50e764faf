"""Errors as answers: problem documents, whatever went wrong. What is unexpected says nothing of this process."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.committing import Refusal, refusal_of
from tunedb.errors import TunedbError
from tunedb.store.http.problems import PROBLEM

_log = logging.getLogger(__name__)


def answer(status: int, kind: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A problem document that no error of ours stands for."""
    document = {
        "type": f"urn:tunedb:error:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "kind": kind,
        **more,
    }
    return Response(msgspec.json.encode(document), status, headers, PROBLEM)


def of_error(error: TunedbError) -> Response:
    """The answer to a request that ended with an error of ours."""
    return refused(refusal_of(error))


def refused(refusal: Refusal) -> Response:
    """A refusal as an answer."""
    wait = refusal.retry_after_secs
    headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
    return Response(refusal.document, refusal.status, headers, PROBLEM)


def install(app: FastAPI) -> None:
    """Makes an app answer errors so."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, TunedbError)
        return of_error(error)

    async def of_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "usage")
        return answer(error.status_code, kind, str(error.detail), dict(error.headers or {}))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        told = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors())
        return answer(422, "bad-input", told)

    async def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(500, "unexpected", "the service failed at this; its log says why")

    app.add_exception_handler(TunedbError, ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
