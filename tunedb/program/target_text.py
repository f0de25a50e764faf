"""Targets as TVM's command line and logs write them: `llvm -mcpu=core-avx2 -num-cores=4`, a kind, or a tag. No TVM."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tunedb.errors import BadInputError

_KIND = re.compile(r"[a-z][a-z0-9_-]*")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_JSON = '{["'
_LISTS = ("keys", "libs", "mattr", "cl-opt")
_FLAGS = ("link-params", "system-lib", "fast-math", "unpacked-api")
_FALSE = ("0", "false", "False")
_SHOWN = 60
_MAX_DEPTH = 4  # a host may have a host


def target_fields(text: str) -> dict[str, Any]:
    """Reads a target.

    Args:
        text: a JSON object, alone or as a JSON string; a kind ("llvm"), or one of TVM's tags
            ("nvidia/geforce-rtx-3090"), with options or without. Lists are written with commas, and values may be
            quoted: `llvm -mcpu=core-avx2 -mattr='+avx2,+fma'`.

    Returns:
        The target's fields as its JSON has them.

    Raises:
        BadInputError: the text is no target.
    """
    return _fields(text, 0)


@cache
def tags() -> Mapping[str, Mapping[str, Any]]:
    """What TVM's tags stand for: the fields of their targets. Made by tests/tunedb/make_tags.py."""
    found: dict[str, dict[str, Any]] = msgspec.json.decode(files("tunedb.program").joinpath("tags.json").read_bytes())
    return found


def _fields(text: str, depth: int) -> dict[str, Any]:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    if depth > _MAX_DEPTH:
        raise BadInputError(f"the target {shown!r} has targets within targets")
    if not text.strip() or text.lstrip()[0] in _JSON or text.strip() == "null":
        try:
            decoded = msgspec.json.decode(text)
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"the target {shown!r} is not JSON: {error}") from error
        if isinstance(decoded, str):
            return _fields(decoded, depth + 1)
        if not isinstance(decoded, dict):
            raise BadInputError(f"the target {shown!r} is not a JSON object")
        return decoded
    try:
        first, *options = shlex.split(text)
    except ValueError as error:
        raise BadInputError(f"the target {shown!r} cannot be read: {error}") from error
    if first in tags():
        fields = dict(tags()[first])
    elif "/" in first:
        near = difflib.get_close_matches(first, tags(), n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise BadInputError(f"the target {shown!r} begins with {first!r}, which is no tag of TVM's{hint}")
    elif _KIND.fullmatch(first):
        fields = {"kind": first}
    else:
        raise BadInputError(f"the target {shown!r} begins with {first!r}, which is no kind of target")
    for option in options:
        name, sign, value = option.lstrip("-").partition("=")
        if not option.startswith("-") or not name:
            raise BadInputError(f"the target {shown!r} has {option!r} where an option was expected")
        if name == "host":
            fields[name] = _fields(value, depth + 1)
        elif name in _LISTS:
            fields[name] = [part.strip() for part in value.split(",") if part.strip()]
        elif not sign or name in _FLAGS:
            fields[name] = value not in _FALSE
        else:
            fields[name] = int(value) if _WHOLE.fullmatch(value) else value
    return fields
