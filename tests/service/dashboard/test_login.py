"""Logging in with a browser: a session only reads, no other page opens one, it ends with its token."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from service.dashboard.login import safe_place
from service.tokens import Scope, Tokens
from tests.conftest import RunningService
from tests.service.dashboard.conftest import Ask


def logged_in(dashboard: RunningService, ask: Ask, scope: Scope = Scope.READ, name: str = "ann") -> str:
    """The cookie of a session."""
    body = urlencode({"token": dashboard.token(scope, name), "next": "/dashboard/runs?target=znver5"})
    answer = ask("/login", "POST", body, Origin=dashboard.url)
    assert (answer.status, answer.headers["Location"]) == (303, "/dashboard/runs?target=znver5")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and "tdb_" not in cookie
    return cookie.split(";")[0]


def test_a_page_without_a_token_asks_for_one(dashboard: RunningService, ask: Ask) -> None:
    dashboard.token(Scope.READ)
    for path in ("/", "/dashboard/runs?target=znver5", "/dashboard/assets/app.js"):
        answer = ask(path)
        assert answer.status == 401 and '<form method="post" action="/login">' in answer.data.decode()
    assert 'value="/dashboard/runs?target=znver5"' in ask("/dashboard/runs?target=znver5").data.decode()
    assert ask("/login.css").status == ask("/login").status == 200


def test_a_session_looks_and_does_nothing_else(dashboard: RunningService, ask: Ask) -> None:
    cookie = logged_in(dashboard, ask, Scope.ADMIN)
    assert ask("/", Cookie=cookie).status == ask("/v1/stats", Cookie=cookie).status == 200
    assert "Log out ann" in ask("/", Cookie=cookie).data.decode()
    assert ask("/v1/trials", "POST", "x", Cookie=cookie, Origin=dashboard.url).status == 403
    assert ask("/v1/admin/sources", Cookie=cookie).status == 403


def test_a_session_ends(dashboard: RunningService, ask: Ask) -> None:
    cookie = logged_in(dashboard, ask)
    other = logged_in(dashboard, ask, name="bob")
    assert ask("/logout", "POST", Cookie=cookie, Origin=dashboard.url).status == 303
    assert ask("/", Cookie=cookie).status == 401
    assert ask("/", Cookie=other).status == 200
    Tokens(dashboard.settings.state).revoke("bob")
    assert ask("/", Cookie=other).status == 401


def test_only_its_own_page_opens_a_session(dashboard: RunningService, ask: Ask) -> None:
    body = urlencode({"token": dashboard.token(Scope.READ)})
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        answer = ask("/login", "POST", body, **headers)
        assert answer.status == 403 and "Set-Cookie" not in answer.headers
    assert ask("/login").headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("body", ["token=", "token=tdb_x", "nothing", "a=1&" * 20, "token=%ff%fe"])
def test_a_wrong_token_opens_nothing(dashboard: RunningService, ask: Ask, body: str) -> None:
    dashboard.token(Scope.READ)
    answer = ask("/login", "POST", body, Origin=dashboard.url)
    assert answer.status == 401 and "opens nothing" in answer.data.decode() and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("/", "/"),
        ("/dashboard/runs?page=2&target=a%20b", "/dashboard/runs?page=2&target=a%20b"),
        ("/?target=x", "/?target=x"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/dashboard/x\r\nSet-Cookie: a=b", "/"),
        ("/v1/export", "/"),
    ],
)
def test_it_leads_to_places_of_the_dashboard_only(told: str, place: str) -> None:
    assert safe_place(told) == place
