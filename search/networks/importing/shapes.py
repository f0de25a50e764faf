"""Shapes of inputs as a person writes them: `input=1x3x224x224`."""

from __future__ import annotations

from collections.abc import Sequence

from tunedb.errors import UsageError


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shape of each input that is named.

    Args:
        texts: Such as "input=1x3x224x224"; extents may be parted by commas as well.

    Raises:
        UsageError: One of them is not written so, or an input is named twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, written = text.rpartition("=")
        extents = written.strip("[]()").replace(",", "x").split("x")
        if not equals or not name or not all(part.strip().isdecimal() for part in extents):
            raise UsageError(f"{text!r} is not the shape of an input, such as input=1x3x224x224")
        if name in found:
            raise UsageError(f"the shape of {name} is given twice")
        found[name] = tuple(int(part) for part in extents)
    return found
