"""What every request passes before anything else sees it: host, origin, token, rate, body. And what is noted after."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems
from service.access import is_page, wanted_scope
from service.dashboard.login import login_page
from service.sessions import COOKIE
from service.settings import Limits
from service.state import Service
from service.tokens import Scope as TokenScope
from service.tokens import Token

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?")
_CHANGING = {"POST", "PUT", "DELETE", "PATCH"}
_REMEMBERED = 10_000  # addresses and tokens
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The outermost layer of a service's app.

    Args:
        app: what it guards.
        service: whose settings and tokens say what is let through.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._hosts = service.settings.hosts()
        self._buckets = _Buckets(service.settings.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
                self._note(scope, status, time.perf_counter() - began)
            await send(message)

        refused = await self._refusal(scope)
        if refused is None:
            body, refused = await self._body(scope, receive)
            if refused is None:
                await self._app(scope, _replaying(body, receive), noting)
                return
        await refused(scope, receive, noting)

    async def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let through; else its sender is noted in its scope."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        scope["tunedb.sender"] = ""
        if _name(headers.get("host", "")) not in self._hosts:
            return problems.answer(403, "access", "the service does not go by this name: start it with --name")
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, headers.get("host", "")):
            return problems.answer(403, "access", "pages of other origins may not ask this service")
        wanted = wanted_scope(method, path)
        address = (scope.get("client") or ("", 0))[0]
        who = address
        if wanted is not None:
            token, given = None, headers.get("authorization", "")
            if given.lower().startswith("bearer "):
                token = await self._verified(given[7:].strip())
            elif not given:
                cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
                token = await run_in_threadpool(self._service.sessions.token, cookie) if cookie else None
            if token is not None:
                has = token.scope if given else TokenScope.READ  # a browser only looks
                scope["tunedb.sender"], who = token.name, token.token_id
            elif not given and await self._is_open():
                has = TokenScope.WRITE
            else:
                if not given and method == "GET" and is_page(path, headers.get("accept", "")):
                    return login_page(path, scope["query_string"].decode("latin-1"), 401)
                text = "this token opens nothing" if given else "the service wants a token (TUNEDB_TOKEN)"
                return problems.answer(401, "access", text, {"WWW-Authenticate": "Bearer"})
            if not has.allows(wanted):
                return problems.answer(403, "access", f"this takes a token of the scope {wanted}", wanted=wanted.value)
        wait = self._buckets.take(who)
        if wait > 0:
            return problems.answer(429, "store-away", "too many requests at once", {"Retry-After": f"{wait:.2f}"})
        return None

    async def _verified(self, text: str) -> Token | None:
        tokens = self._service.tokens
        return tokens.remembered(text) or await run_in_threadpool(tokens.verify, text)

    async def _is_open(self) -> bool:
        """Whether this machine's user may do without a token: nobody else can ask, and none was ever made."""
        if not self._service.settings.is_local:
            return False
        tokens = self._service.tokens
        return tokens.are_unchanged_without() or not await run_in_threadpool(tokens.exist)

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, _, rest = origin.partition("://")
        return scheme in ("http", "https") and rest.lower() == host.lower()

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, Response | None]:
        """The whole body of a request, or the answer to one that is too large or too slow."""
        limits, headers = self._service.settings.limits, Headers(scope=scope)
        most = limits.file_bytes if scope["path"].startswith("/v1/files/") else limits.body_bytes
        too_large = problems.answer(413, "bad-input", f"a request may have {most:,} bytes", {"Connection": "close"})
        if headers.get("content-encoding", "identity") != "identity":
            return b"", problems.answer(415, "bad-input", "bodies come as they are: no Content-Encoding")
        told = headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > most:
            return b"", too_large
        content = bytearray()
        try:
            async with asyncio.timeout(limits.body_secs):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return b"", problems.answer(400, "usage", "the request was not finished")
                    content += message.get("body", b"")
                    if len(content) > most:
                        return b"", too_large
                    if not message.get("more_body", False):
                        return bytes(content), None
        except TimeoutError:
            return b"", problems.answer(408, "usage", "the request took too long to come", {"Connection": "close"})

    def _note(self, scope: MutableMapping[str, Any], status: int, secs: float) -> None:
        method = scope["method"]
        route = getattr(scope.get("route"), "path", "")
        self._service.metrics.answered(method if method in _CHANGING else "GET", route, status, secs)
        if status in (401, 403) or (method in _CHANGING and not scope["path"].startswith("/v1/store/")):
            client = (scope.get("client") or ("", 0))[0]
            path = str(scope["path"])[:200]
            self._service.audit.note(
                sender=scope["tunedb.sender"], client=client, method=method[:10], path=path, status=status
            )


class _Buckets:
    """Who has asked how often of late: a token bucket each."""

    def __init__(self, limits: Limits) -> None:
        self._rate, self._burst = limits.requests_per_sec, float(limits.burst)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Counts a request; gives the seconds until it may be made, 0 where that is now."""
        now = time.monotonic()
        left, seen = self._left.pop(who, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._left[who] = (left - 1 if not wait else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return wait


def _name(host: str) -> str:
    """A `Host` without its port; "" for what is none."""
    found = _HOST.fullmatch(host.strip().lower())
    return (found[1] or found[2]) if found else ""


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what comes."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
