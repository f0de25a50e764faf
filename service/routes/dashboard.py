"""The dashboard's pages, plots and files; what they show is made in `service.dashboard`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from service.access import is_page
from service.dashboard import choices, drawing, files
from service.dashboard.asked import THEME_COOKIE, Asked, asked, chosen_theme
from service.dashboard.assets import assets
from service.dashboard.built import Panels, lacking
from service.dashboard.login import form_of, login_page, safe_place
from service.dashboard.pages import page
from service.dashboard.panel import View
from service.dashboard.record import record_page
from service.dashboard.registry import first_view, groups, view_named
from service.dashboard.shown import shown
from service.problems import answer
from service.replies import body_of
from service.sessions import COOKIE, LIFETIME
from service.state import sender_of, service_of
from tunedb.errors import NotFoundError, TunedbError
from tunedb.store.http.problems import status_of

_YEAR = 365 * 24 * 3600
_FOR_EVER = f"private, max-age={_YEAR}, immutable"  # of an address that has a version in it
_KINDS = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "vl.json": "application/json",
}


class PageRoute(APIRoute):
    """A route whose errors are pages where a browser shows them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except TunedbError as error:
                if not is_page(request.url.path, request.headers.get("accept", "")):
                    raise
                status = status_of(error)
                heading = {404: "Not found", 409: "Several fit", 503: "Away"}.get(status, "This makes no sense")
                return page("error.html", {**_frame(request, ""), "heading": heading, "detail": str(error)}, status)

        return handle


router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def overview(request: Request) -> Response:
    """The first page."""
    return _view_page(request, first_view())


@router.get("/login")
def login_form(request: Request) -> Response:
    """The page that asks for a token."""
    return login_page()


@router.get("/login.css")
def login_style(request: Request) -> Response:
    """What the page that asks for a token looks like; nothing of the store is in it."""
    return Response(assets()["style.css"].content, media_type="text/css")


@router.post("/login")
async def login(request: Request) -> Response:
    """Takes a token from a form of this service's own page, and opens a session."""
    if "origin" not in request.headers:  # the guard has refused others'
        return answer(403, "access", "log in with the page of this service")
    form = form_of(await body_of(request))
    service = service_of(request)
    token = service.tokens.verify(form.get("token", "").strip())
    leads_to = safe_place(form.get("next", "/"))
    if token is None:
        return login_page(leads_to, "", 401, "This token opens nothing: it is wrong, expired or revoked.")
    reply = RedirectResponse(leads_to, 303)
    reply.set_cookie(
        COOKIE,
        service.sessions.begin(token),
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return reply


@router.post("/logout")
def logout(request: Request) -> Response:
    """Closes a session."""
    service_of(request).sessions.end(request.cookies.get(COOKIE, ""))
    reply = RedirectResponse("/login", 303)
    reply.delete_cookie(COOKIE)
    return reply


@router.post("/dashboard/theme")
async def theme(request: Request) -> Response:
    """Keeps what a browser's user has chosen: light, dark, or what the browser prefers."""
    form = form_of(await body_of(request))
    reply = RedirectResponse(safe_place(form.get("next", "/")), 303)
    if form.get("theme") in drawing.THEMES:
        reply.set_cookie(THEME_COOKIE, form["theme"], max_age=_YEAR, httponly=True, samesite="strict")
    else:
        reply.delete_cookie(THEME_COOKIE)
    return reply


@router.get("/dashboard/assets/{name}")
def asset(request: Request, name: str) -> Response:
    """A file that pages need."""
    found = assets().get(name)
    if found is None:
        raise NotFoundError(f"there is no file {name[:40]!r}", kind="file", asked=name)
    kept = _FOR_EVER if request.query_params.get("v") == found.tag else "private, no-cache"
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": kept}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)


@router.get("/dashboard/record/{record}")
def record(request: Request, record: str) -> Response:
    """All that is known of one record."""
    wants_script = request.query_params.get("script") == "1"
    found = record_page(service_of(request).store, record, wants_script=wants_script)
    return page("record.html", {**_frame(request, ""), **found})


@router.get("/dashboard/{view}")
def view_page(request: Request, view: str) -> Response:
    """A view's page."""
    return _view_page(request, view_named(view))


@router.get("/dashboard/{view}/panels")
def renewed(request: Request, view: str) -> Response:
    """The panels of a live view by themselves; 204 while the browser shows them already."""
    told, service = asked(request), service_of(request)
    if told.seen == service.store.version():
        return Response(status_code=204)
    return page("panels.html", _panels(request, view_named(view), told))


@router.get("/dashboard/{view}/{file}")
def panel_file(request: Request, view: str, file: str) -> Response:
    """A panel's data or plot."""
    name, _, kind = file.partition(".")
    if kind not in _KINDS:
        raise NotFoundError(f"panels are there as {', '.join(_KINDS)}, not {kind[:40]!r}", kind="file", asked=file)
    told = asked(request)
    built = _built(request)
    panel = built.one(view_named(view), told.filters, name)
    if panel.chart is None and kind not in ("csv", "json"):
        raise NotFoundError(f"{panel.title} is a table: take its csv or json", kind="file", asked=file)
    theme = told.theme or "light"
    made: str | bytes
    if kind == "csv":
        made = files.csv(panel)
    elif kind == "json":
        made = msgspec.json.encode(files.document(panel))
    elif kind == "svg":
        made = built.svg(panel, theme)
    elif kind == "png":
        made = drawing.png(panel, theme)
    else:
        made = msgspec.json.encode(drawing.specification(panel, theme))
    headers = {"Cache-Control": "private, max-age=30" if "v" in request.query_params else "private, no-cache"}
    if kind in ("csv", "json", "png"):
        headers["Content-Disposition"] = f'attachment; filename="{view}-{name}.{kind}"'
    if kind == "svg":  # plots have their colours in attributes and styles; nothing in them runs
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return Response(made, headers=headers, media_type=_KINDS[kind])


def _built(request: Request) -> Panels:
    found = request.app.state.panels
    assert isinstance(found, Panels)
    return found


def _frame(request: Request, current: str) -> dict[str, Any]:
    """What every page has around its content."""
    query = request.url.query
    return {
        "groups": groups(),
        "current": current,
        "theme": chosen_theme(request),
        "here": request.url.path + (f"?{query}" if query else ""),
        "who": sender_of(request) if COOKIE in request.cookies else "",
    }


def _view_page(request: Request, view: View) -> Response:
    told, store = asked(request), service_of(request).store
    missing = lacking(view, told.filters)
    values = {
        **_frame(request, view.name),
        "asked": told,
        "filters": told.filters,
        "lacking": missing,
        "targets": choices.targets(store, told.filters),
        "since": "" if told.filters.since is None else told.filters.since.date().isoformat(),
        "choices": choices.suggested(store, view, told.filters, missing) if missing else [],
        "live_off": _live(view, told, "off"),
        "live_on": _live(view, told, "on"),
        **({"view": view} if missing else _panels(request, view, told)),
    }
    return page("view.html", values)


def _panels(request: Request, view: View, told: Asked) -> dict[str, Any]:
    """What the template of a view's panels shows."""
    version = service_of(request).store.version()
    query = urlencode([*told.filters.items(), ("seen", version)])
    return {
        "view": view,
        "asked": told,
        "theme": chosen_theme(request),
        "renewal": f"/dashboard/{view.name}/panels?{query}",
        "panels": [shown(view, panel, told, version) for panel in _built(request).of(view, told.filters)],
    }


def _live(view: View, told: Asked, value: str) -> str:
    return f"/dashboard/{view.name}?{urlencode([*told.filters.items(), ('live', value)])}"
