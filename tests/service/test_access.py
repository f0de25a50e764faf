"""Nothing is answered that was not allowed: every route of the app, with no token, a wrong one and too small a one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from starlette.routing import BaseRoute, Mount

from service.access import wanted_scope
from service.app import create_routes
from service.state import Service
from service.tokens import Scope
from tests.conftest import RunningService, serving
from tunedb import open_store
from tunedb.errors import AccessError, UsageError
from tunedb.store.http.store import HttpStore

OPEN = {"/healthz", "/readyz", "/login", "/login.css"}
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
    with open_store("memory:") as store:
        service = Service.of(store, running_service.settings)
        found = sorted(set(walked(create_routes(service).routes)))
        service.close()
    return found


def ask(service: RunningService, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, service.url + path, headers=headers, retries=False, redirect=False, timeout=60)


def test_every_route_is_refused(running_service: RunningService, routes: list[tuple[str, str]]) -> None:
    tokens = {scope: running_service.token(scope) for scope in Scope}
    assert ("POST", "/v1/trials") in routes and ("GET", "/v1/best/x") in routes and ("GET", "/openapi.json") in routes
    assert ("GET", "/dashboard/x/x") in routes and ("GET", "/dashboard/assets/x") in routes and ("GET", "/") in routes
    assert len(routes) > 30
    asked = [*routes, ("GET", "/nowhere"), ("GET", "/dashboard/app.js"), ("POST", "/"), ("OPTIONS", "/v1/trials")]
    for method, path in asked:
        wanted = wanted_scope(method, path)
        if path in OPEN:
            assert wanted is None
            continue
        assert wanted is not None
        wrong = "tdb_" + "0" * 12 + "_" + "A" * 43
        for given in ({}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Basic eDp5"}):
            assert ask(running_service, method, path, **given).status == 401, (method, path)
        smaller = TOO_SMALL[wanted]
        if smaller is not None:
            answer = ask(running_service, method, path, Authorization=f"Bearer {tokens[smaller]}")
            assert answer.status == 403, (method, path)
    assert ask(running_service, "GET", "/healthz").status == 200


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
