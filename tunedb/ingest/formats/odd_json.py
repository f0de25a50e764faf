"""Lines that are JSON to Python's `json` and not to the standard: with NaN, Infinity, or numbers out of range."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from tunedb.errors import BadInputError


def decode(line: bytes) -> Any:
    """Decodes a line, in which floats may be NaN or infinite.

    Raises:
        ValueError: it is no JSON, by the standard's reason.
        RecursionError: it is nested too deeply.
    """
    try:
        return json.loads(line)
    except ValueError:
        return msgspec.json.decode(line)  # whose reasons say where


def standard(value: Any, what: str) -> bytes:
    """A decoded value as standard JSON.

    Args:
        value: as `decode` gives it.
        what: it is, for people.

    Raises:
        BadInputError: it has numbers or characters that standard JSON cannot write.
    """
    if (odd := _not_finite(value)) is not None:
        raise BadInputError(f"{what}: {odd} is no number there")
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise BadInputError(f"{what}: half a character, \\u{ord(error.object[error.start]):04x}") from error


def as_float(number: float) -> float:
    """A decoded number as a float; infinity where it is a whole number of more digits than floats have."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _not_finite(value: Any) -> float | None:
    """A number that is not finite, somewhere in a value; None where there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if (found := _not_finite(item)) is not None:
                return found
    return None
