"""What OpenAPI says of bodies that FastAPI does not parse, from the types that do."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tunedb.store.http import wire
from tunedb.store.http.leases import LeaseRequest

_REFERENCE = "#/components/schemas/{name}"
_DOCUMENT: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}

DOCUMENT: dict[str, Any] = {"description": "The document that `--json` prints.", "content": _DOCUMENT}
RECEIPT: dict[str, Any] = {"description": "It is committed. What was new, and what was there.", "content": _DOCUMENT}
PUSH: dict[str, Any] = {
    "required": True,
    "content": {wire.JSON: {"schema": {"$ref": "#/components/schemas/JsonPush"}}},
}


def json_body(name: str) -> dict[str, Any]:
    """A body that is JSON of one of the types below."""
    return {"required": True, "content": {wire.JSON: {"schema": {"$ref": _REFERENCE.format(name=name)}}}}


class Problem(msgspec.Struct):
    """RFC 9457, with the data of tunedb's errors."""

    type: str
    title: str
    status: int
    detail: str
    kind: str
    what: str = ""
    asked: str = ""
    matches: list[str] = []
    wanted: str = ""


def install(app: FastAPI) -> None:
    """Makes an app's schema name these types."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            from service.predicting import PredictRequest  # brings what predicts: not for a page of the dashboard

            types = (wire.JsonPush, LeaseRequest, PredictRequest, Problem)
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
            parts = made.setdefault("components", {})
            parts.setdefault("schemas", {}).update(components)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"token": []}]
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]  # as FastAPI's documentation has it
