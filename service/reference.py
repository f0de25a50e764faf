"""The API for people: a page made of the service's own OpenAPI description, without a script, from no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from service.access import wanted_scope

if TYPE_CHECKING:
    from jinja2 import Environment

_BOUNDS = (("minimum", "from {}"), ("maximum", "to {}"), ("minItems", "{} at least"), ("maxItems", "{} at most"))
_LENGTHS = (("minLength", "{} characters at least"), ("maxLength", "{} characters at most"), ("pattern", "as {}"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("service")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(schema: Mapping[str, Any]) -> str:
    """The page of an API.

    Args:
        schema: its OpenAPI description.
    """
    schemas = schema["components"]["schemas"]
    values = {
        "version": schema["info"]["version"],
        "description": schema["info"]["description"],
        "operations": list(_operations(schema)),
        "schemas": [
            {
                "name": name,
                "text": told.get("description", ""),
                "fields": list(_fields(told)),
            }
            for name, told in sorted(schemas.items())
        ],
    }
    return _environment().get_template("reference.html").render(values)


def _operations(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in sorted(schema["paths"].items()):
        for method, told in methods.items():
            content = told.get("requestBody", {}).get("content", {})
            media = next(iter(content), "")
            scope = wanted_scope(method.upper(), re.sub(r"\{[^}]*\}", "x", path))
            yield {
                "method": method.upper(),
                "path": path,
                "anchor": f"{method}{re.sub('[^a-z0-9]+', '-', path.lower())}".strip("-"),
                "text": told.get("description", told.get("summary", "")),
                "scope": "" if scope is None else scope.value,
                "parameters": [
                    {
                        "name": row["name"],
                        "place": row["in"],
                        "form": form(row["schema"]) + (", required" if row.get("required") else ""),
                        "text": row.get("description", row["schema"].get("description", "")),
                    }
                    for row in told.get("parameters", ())
                ],
                "body": form(content[media]["schema"]) if media else "",
                "body_media": media,
                "answers": [
                    {"status": status, "text": row["description"], "media": ", ".join(row.get("content", {}))}
                    for status, row in sorted(told["responses"].items())
                ],
            }


def _fields(schema: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    required = schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        yield {"name": name, "form": form(told) + (", required" if name in required else "")}


def form(schema: Mapping[str, Any]) -> str:
    """What a JSON schema takes, in words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(form(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    told = str(schema.get("type", "any"))
    if told == "array":
        told = f"array of {form(schema['items'])}" if schema.get("items") else "array"
    words = [text.format(schema[name]) for name, text in (*_BOUNDS, *_LENGTHS) if name in schema]
    if "default" in schema and schema["default"] not in (None, "", []):
        words.append(f"{schema['default']} by default")
    return ", ".join([told, *words])
