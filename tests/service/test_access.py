"""Nothing is answered that was not allowed: every route of the app, with no token, a wrong one and too small a one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute, Mount

from service import access, app
from service.access import wanted_scope
from service.guard import Guard
from service.state import Service
from service.tokens import Scope
from tests.conftest import RunningService, serving
from tunedb import open_store
from tunedb.errors import AccessError, UsageError
from tunedb.store.http.store import HttpStore

OPEN = {"/healthz", "/readyz", "/login", "/login.css"}
READING = {("POST", path) for path in ("/v1/store/x", "/v1/predict", "/logout", "/dashboard/theme")}
TOO_SMALL = {Scope.READ: None, Scope.WRITE: Scope.READ, Scope.ADMIN: Scope.WRITE}


def walked(routes: list[BaseRoute], under: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of mounted apps and folders of files too."""
    for route in routes:
        path = under + re.sub(r"\{[^}]*\}", "x", getattr(route, "path", ""))
        if isinstance(route, Mount):
            yield "GET", f"{path}/x"
            yield from walked(list(route.routes), path)
        elif hasattr(route, "original_router"):
            yield from walked(list(route.original_router.routes), under)
        for method in getattr(route, "methods", None) or ():
            yield method, path


@pytest.fixture
def routes(tmp_path: Path, running_service: RunningService) -> list[tuple[str, str]]:
    return routes_of(running_service)


def routes_of(running: RunningService) -> list[tuple[str, str]]:
    """Those of the app as it is made now."""
    with open_store("memory:") as store:
        service = Service.of(store, running.settings)
        found = sorted(set(walked(app.create_routes(service).routes)))
        service.close()
    return found


def ask(service: RunningService, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, service.url + path, headers=headers, retries=False, redirect=False, timeout=60)


def unrefused(service: RunningService, asked: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of some requests that are answered without a token, with a wrong one, or with too small a one."""
    tokens = {scope: service.token(scope) for scope in Scope}
    wrong = "tdb_" + "0" * 12 + "_" + "A" * 43
    found = set()
    for method, path in asked:
        wanted = wanted_scope(method, path)
        given: list[dict[str, str]] = [{}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Basic eDp5"}]
        statuses = {ask(service, method, path, **headers).status for headers in given}
        smaller = None if wanted is None else TOO_SMALL[wanted]
        if smaller is not None:
            refused = ask(service, method, path, Authorization=f"Bearer {tokens[smaller]}").status == 403
        if statuses != {401} or (smaller is not None and not refused):
            found.add((method, path))
    return found


def test_every_route_is_refused(running_service: RunningService, routes: list[tuple[str, str]]) -> None:
    assert ("POST", "/v1/trials") in routes and ("GET", "/v1/best/x") in routes and ("GET", "/openapi.json") in routes
    assert ("GET", "/dashboard/x/x") in routes and ("GET", "/dashboard/assets/x") in routes and ("GET", "/") in routes
    assert len(routes) > 30
    asked = [*routes, ("GET", "/nowhere"), ("GET", "/dashboard/app.js"), ("POST", "/"), ("OPTIONS", "/v1/trials")]
    assert {path for _, path in unrefused(running_service, asked)} == OPEN
    assert ask(running_service, "GET", "/healthz").status == 200


def test_what_changes_anything_takes_more_than_reading(routes: list[tuple[str, str]]) -> None:
    assert not too_small(routes)


def too_small(routes: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Requests that take a smaller token than they should, by what they do and not by the table of who may."""
    found = set()
    for method, path in routes:
        least = Scope.READ if method in ("GET", "HEAD") or (method, path) in READING else Scope.WRITE
        if path.startswith("/v1/admin") or (method in ("PUT", "DELETE") and not path.startswith("/v1/files/runs/")):
            least = Scope.ADMIN
        wanted = wanted_scope(method, path)
        if path not in OPEN and (wanted is None or not wanted.allows(least)):
            found.add((method, path))
    return found


@pytest.fixture
def leaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Adds routes, a mounted app and a folder of files to each app that is made, as somebody may by mistake."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").write_text("secret")
    real = app.create_routes

    def more(*given: Any, **named: Any) -> FastAPI:
        made, other = real(*given, **named), FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        router = APIRouter()
        for one, path in ((made, "/leak"), (other, "/inner/{name}"), (router, "/v1x/{name}")):
            one.get(path)(lambda: "secret")
            one.delete(path)(lambda: "secret")
        made.include_router(router)
        made.mount("/mounted", other)
        made.mount("/files", StaticFiles(directory=tmp_path / "files"))
        return made

    monkeypatch.setattr(app, "create_routes", more)
    paths = ("/leak", "/v1x/x", "/mounted/inner/x")
    return {("GET", "/files/x"), *((method, path) for path in paths for method in ("GET", "DELETE"))}


def test_routes_that_somebody_adds_are_found_and_refused(tmp_path: Path, leaking: set[tuple[str, str]]) -> None:
    with serving(tmp_path / "store", tmp_path / "state") as running:
        assert leaking <= set(routes_of(running))
        assert not unrefused(running, sorted(leaking))
        admin = f"Bearer {running.token(Scope.ADMIN)}"
        for method, path in leaking:
            assert b"secret" in ask(running, method, path, Authorization=admin).data


def test_what_gets_past_the_guard_is_noticed(
    tmp_path: Path, leaking: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaky(Guard):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope.get("path", "").startswith(("/leak", "/files", "/mounted")):
                await self._app(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)

    monkeypatch.setattr(app, "Guard", Leaky)
    with serving(tmp_path / "store", tmp_path / "state") as running:
        found = {row for row in unrefused(running, routes_of(running)) if row[1] not in OPEN}
        assert found & leaking == {row for row in leaking if not row[1].startswith("/v1x")}
        assert {path.split("/")[1] for _, path in found} == {"leak", "files", "mounted"}


def test_a_rule_that_opens_too_much_is_noticed(
    routes: list[tuple[str, str]], leaking: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (
        access.Rule(("DELETE",), re.compile("/leak"), Scope.READ),
        access.Rule(("GET",), re.compile("/leak"), None),
    )
    monkeypatch.setattr(access, "RULES", (*rules, *access.RULES))
    assert too_small([*routes, *leaking]) == {("GET", "/leak"), ("DELETE", "/leak")}


def test_a_token_in_the_url_is_none(running_service: RunningService) -> None:
    token = running_service.token(Scope.ADMIN)
    assert ask(running_service, "GET", f"/v1/stats?token={token}&access_token={token}").status == 401


def test_other_hosts_and_origins_are_refused(running_service: RunningService) -> None:
    host = running_service.url.removeprefix("http://")
    assert ask(running_service, "GET", "/v1/stats", Host="evil.example").status == 403
    assert ask(running_service, "GET", "/v1/stats", Host=f"{host}.evil.example").status == 403
    for origin in ("https://evil.example", "null", f"http://evil@{host}"):
        assert ask(running_service, "GET", "/v1/stats", Origin=origin).status == 403
    assert ask(running_service, "GET", "/v1/stats", Origin=f"http://{host}").status == 200
    assert ask(running_service, "GET", "/v1/stats", Host="localhost:1").status == 200


def test_without_a_token_this_machine_may_write_and_not_administer(running_service: RunningService) -> None:
    assert ask(running_service, "GET", "/v1/stats").status == 200
    assert ask(running_service, "GET", "/v1/admin/sources").status == 403
    with running_service.opened() as store:
        store.check_writable()
        with pytest.raises(AccessError, match="admin"):
            store.artifacts.write("models/one/manifest.json", b"{}")
    running_service.token(Scope.READ)
    assert ask(running_service, "GET", "/v1/stats").status == 401


def test_who_measures_may_keep_leases_and_runs_and_no_other_file(running_service: RunningService) -> None:
    with running_service.opened(Scope.WRITE) as store:
        assert store.leases.claim("board", ["a", "b"], 60.0) == {"a", "b"}
        assert store.leases.claim("laptop", ["b", "c"], 60.0) == {"c"}
        store.leases.release("board")
        store.artifacts.write(f"runs/{'0' * 32}.json", b"[]")
        for name in ("models/promoted.json", "runs/a/b.json", "leases/a.txt", "features/x.json"):
            with pytest.raises(AccessError, match="admin"):
                store.artifacts.write(name, b"{}")
    with running_service.opened(Scope.READ) as store, pytest.raises(AccessError, match="write"):
        store.leases.claim("reader", ["a"], 60.0)


def test_a_reader_cannot_write(running_service: RunningService) -> None:
    with running_service.opened(Scope.READ) as store, pytest.raises(AccessError, match="write") as caught:
        store.check_writable()
    assert caught.value.wanted == "write"


def test_headers_keep_pages_from_doing_harm(running_service: RunningService) -> None:
    for path in ("/v1/stats", "/healthz", "/nowhere"):
        headers = ask(running_service, "GET", path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_audit_log_knows_who_and_no_token(running_service: RunningService) -> None:
    token = running_service.token(Scope.WRITE, "board-3")
    with HttpStore(running_service.url, {"token": token, "spool": str(running_service.spool)}) as store:
        store.check_writable()
    ask(running_service, "GET", "/v1/stats", Authorization="Bearer tdb_secret_of_somebody")
    log = running_service.settings.state / "audit.jsonl"
    text = log.read_text()
    assert '"sender":"board-3"' in text and '"status":401' in text
    assert token not in text and token[-20:] not in text and "tdb_secret" not in text
    assert log.stat().st_mode & 0o077 == 0


def test_others_are_not_served_without_a_token(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="tunedb token create"),
        serving(tmp_path / "store", tmp_path / "state", host="0.0.0.0"),  # noqa: S104
    ):
        pass
