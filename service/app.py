"""The app: routes behind the guard. A dashboard would be one more router here, its files below `/dashboard/`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from service import openapi, problems
from service.guard import Guard
from service.routes import admin, answers, contract, evidence, export, files, health, leases, models, trials
from service.state import Service
from tunedb.program.releases import installed

_DESCRIPTION = "One memory of ML-compiler tuning for a team. docs/service.md says how to use it."


def create_app(service: Service) -> ASGIApp:
    """The app of a service, which closes it at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    return Guard(create_routes(service, lifespan), service)


def create_routes(service: Service, lifespan: object = None) -> FastAPI:
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
    for part in (trials, leases, answers, evidence, export, models, health, contract, files, admin):
        app.include_router(part.router)
    problems.install(app)
    openapi.install(app)
    return app
