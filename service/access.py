"""Who may ask what: one table of paths, and denied is what it does not name.

Nothing of FastAPI's decides it, so no route, mount or static file can be forgotten: what is not in the table takes an
administrator's token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.tokens import Scope

_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests a scope is enough for."""

    methods: tuple[str, ...]
    path: re.Pattern[str]
    scope: Scope | None  # None: anybody's


def _rule(methods: tuple[str, ...], path: str, scope: Scope | None) -> Rule:
    return Rule(methods, re.compile(path), scope)


RULES = (  # the first that fits
    _rule(_READING, r"/(healthz|readyz)", None),
    _rule((*_READING, "POST"), r"/login", None),  # takes a token itself
    _rule(_READING, r"/login\.css", None),
    _rule((*_READING, "POST", "DELETE", "PUT"), r"/v1/admin(/.*)?", Scope.ADMIN),
    _rule(_READING, r"/(openapi\.json|docs|metrics)?", Scope.READ),
    _rule(_READING, r"/v1/.*", Scope.READ),
    _rule(_READING, r"/dashboard(/.*)?", Scope.READ),
    _rule(("POST",), r"/(logout|dashboard/theme)", Scope.READ),
    _rule(("POST",), r"/v1/store/[a-z_]+", Scope.READ),
    _rule(("POST",), r"/v1/predict", Scope.READ),
    _rule(("POST",), r"/v1/(trials|leases)", Scope.WRITE),
    # What a tuning run keeps beside its trials: what became of its candidates.
    _rule(("PUT", "DELETE"), r"/v1/files/runs/[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.json", Scope.WRITE),
)


def wanted_scope(method: str, path: str) -> Scope | None:
    """The scope that a request takes; None where it takes no token."""
    for rule in RULES:
        if method in rule.methods and rule.path.fullmatch(path):
            return rule.scope
    return Scope.ADMIN


def is_page(path: str, accept: str) -> bool:
    """Whether a request is a browser's for a page of the dashboard: its errors are pages too."""
    return "text/html" in accept and (path in ("/", "/docs", "/login") or path.startswith("/dashboard/"))
