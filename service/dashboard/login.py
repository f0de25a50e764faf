"""Logging in with a token from a browser: the page that asks for it, and where it leads afterwards."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from starlette.responses import Response

from service.dashboard.pages import page

_OURS = re.compile(r"/(dashboard/[\x21-\x5b\x5d-\x7e]*)?(\?[\x21-\x5b\x5d-\x7e]*)?")


def login_page(path: str = "/", query: str = "", status: int = 200, problem: str = "") -> Response:
    """The page that asks for a token.

    Args:
        path: where it leads afterwards.
        query: of that place.
        status: of the answer.
        problem: what was wrong with the token given before.
    """
    leads_to = safe_place(f"{path}?{query}" if query else path)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return page("login.html", {"next": leads_to, "problem": problem}, status, headers)


def safe_place(text: str) -> str:
    """A place of the dashboard; the first page in the place of any other."""
    return text if _OURS.fullmatch(text) and len(text) < 4096 else "/"


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form that was sent."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=8))
    except ValueError:
        return {}
