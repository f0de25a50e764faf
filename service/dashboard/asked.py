"""What a request asks for: filters, and the few things beside them that the shell itself understands."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from service.dashboard.drawing import THEMES
from service.dashboard.panel import Filters
from tunedb.errors import BadInputError

THEME_COOKIE = "tunedb_theme"
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read."""

    filters: Filters
    page: int = 1  # of a long table
    theme: str = ""  # of a plot; "" for what the browser prefers
    seen: str = ""  # the version of the store that the browser shows
    is_live: bool = True  # whether a live view renews itself


def asked(request: Request) -> Asked:
    """What a request asks for.

    Raises:
        BadInputError: its query has what nobody understands.
    """
    own: dict[str, str] = {}
    rest = []
    for name, value in request.query_params.multi_items():
        if name not in ("page", "theme", "seen", "live", "v"):
            rest.append((name, value))
        elif name in own:
            raise BadInputError(f"{name!r} is given twice")
        else:
            own[name] = value
    page, theme, live = own.get("page", "1"), own.get("theme", ""), own.get("live", "on")
    if not (page.isdecimal() and page.isascii() and 1 <= int(page[:9]) <= _MOST_PAGES):
        raise BadInputError(f"{page[:40]!r} is no page")
    if theme and theme not in THEMES:
        raise BadInputError(f"there is no theme {theme[:40]!r}: there are {', '.join(THEMES)}")
    if live not in ("on", "off"):
        raise BadInputError("live is on or off")
    return Asked(Filters.parse(rest), int(page), theme, own.get("seen", "")[:128], live == "on")


def chosen_theme(request: Request) -> str:
    """The theme that this browser's user has chosen; "" for none."""
    told = request.cookies.get(THEME_COOKIE, "")
    return told if told in THEMES else ""
