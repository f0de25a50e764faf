"""The API for people: all of it, without a script, and from no other host."""

from __future__ import annotations

import json
import re

import urllib3

from service.reference import form
from service.tokens import Scope
from tests.conftest import RunningService


def test_every_operation_is_on_the_page(running_service: RunningService) -> None:
    def get(path: str) -> str:
        answer = urllib3.request("GET", running_service.url + path, retries=False, timeout=60)
        assert answer.status == 200
        return answer.data.decode()

    text, schema = get("/docs"), json.loads(get("/openapi.json"))
    assert len(schema["paths"]) > 12
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in text
            assert all(f"<code>{row['name']}</code>" in text for row in told.get("parameters", ()))
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert "<script" not in text and "style=" not in text
    assert not re.findall(r'(?:href|src)="(?!#|/)', text)


def test_a_browser_without_a_token_is_asked_for_one(running_service: RunningService) -> None:
    running_service.token(Scope.READ)
    answer = urllib3.request("GET", f"{running_service.url}/docs", headers={"Accept": "text/html"}, retries=False)
    assert answer.status == 401 and b'action="/login"' in answer.data


def test_forms_are_told_in_words() -> None:
    assert (
        form({"type": "integer", "minimum": 1, "maximum": 100, "default": 1}) == "integer, from 1, to 100, 1 by default"
    )
    assert (
        form({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]})
        == "string, 9 characters at most or null"
    )
    assert form({"type": "array", "items": {"$ref": "#/components/schemas/Trial"}}) == "array of Trial"
    assert form({"enum": ["arrow", "jsonl"]}) == "one of arrow, jsonl"
