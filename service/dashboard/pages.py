"""Pages from templates. Whatever comes from a store is escaped, and no page has a script or style in itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from service.dashboard import assets

if TYPE_CHECKING:
    from jinja2 import Environment

HEADERS = {"Referrer-Policy": "same-origin"}  # else browsers send a form with the origin "null"


@cache
def environment() -> Environment:
    """The templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("service.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = assets.url
    return made


def page(
    template: str, values: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A page.

    Args:
        template: its file's name.
        values: what the template shows.
        status: of the answer.
        headers: of the answer, besides those of all pages.
    """
    text = environment().get_template(template).render(values)
    return Response(text, status, {**HEADERS, **(headers or {})}, "text/html; charset=utf-8")
