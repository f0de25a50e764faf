"""The app: routes behind the guard, and the dashboard as one more router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

from fastapi import FastAPI
from starlette.types import ASGIApp

from service import openapi, problems
from service.dashboard.built import Panels
from service.guard import Guard
from service.routes import dashboard, health
from service.state import Service
from tunedb.program.releases import installed

_DESCRIPTION = "One memory of ML-compiler tuning for a team. docs/service.md says how to use it."


def _parts(only_looking: bool) -> tuple[ModuleType, ...]:
    """The modules of the routes. Those of the API bring all that reads logs and predicts, which takes a second."""
    if only_looking:
        return health, dashboard
    from service.routes import admin, answers, contract, evidence, export, files, leases, models, reference, trials

    api = (trials, leases, answers, evidence, export, models, contract, files, admin, reference)
    return *api, health, dashboard


def create_app(service: Service, panels: Panels, *, only_looking: bool = False) -> ASGIApp:
    """The app of a service, which closes it at its end.

    Args:
        service: the service.
        panels: what its pages show.
        only_looking: whether it has the dashboard alone, through which nothing can be changed.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    return Guard(create_routes(service, lifespan, panels, only_looking=only_looking), service)


def create_routes(
    service: Service, lifespan: object = None, panels: Panels | None = None, *, only_looking: bool = False
) -> FastAPI:
    """The routes alone, without what guards them: for the app, and for tests that walk them."""
    app = FastAPI(
        title="tunedb",
        version=installed("tunedb"),
        description=_DESCRIPTION,
        docs_url=None,  # the pages come from a CDN
        redoc_url=None,
        lifespan=lifespan,  # type: ignore[arg-type]
    )
    app.state.service = service
    app.state.panels = panels or Panels(service.store)
    for part in _parts(only_looking):
        app.include_router(part.router)
    problems.install(app)
    openapi.install(app)
    return app
