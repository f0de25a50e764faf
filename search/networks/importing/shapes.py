"""Shapes of inputs as a person writes them: `input=1x3x224x224`; several of one input are several networks."""

from __future__ import annotations

from collections.abc import Sequence

from tunedb.errors import UsageError

Shape = tuple[int, ...]


def parse_shapes(texts: Sequence[str]) -> dict[str, dict[str, Shape]]:
    """The shapes that a network is to have: of each input that is named, by what tells them apart.

    Args:
        texts: Such as "input=1x3x224x224"; extents may be parted by commas as well. An input that is named several
            times has its first shape first, then its second; one that is named once has that shape each time.

    Returns:
        Shapes by input, by the shapes that differ, such as "8x3x224x224"; by "" where there is but one of each.

    Raises:
        UsageError: One of them is not written so, or some inputs have more shapes than others, or the same twice.
    """
    found: dict[str, list[Shape]] = {}
    for text in texts:
        name, equals, written = text.rpartition("=")
        extents = written.strip("[]()").replace(",", "x").split("x")
        if not equals or not name or not all(part.strip().isdecimal() for part in extents):
            raise UsageError(f"{text!r} is not the shape of an input, such as input=1x3x224x224")
        found.setdefault(name, []).append(tuple(int(part) for part in extents))
    several = {name: shapes for name, shapes in found.items() if len(shapes) > 1}
    numbers = {len(shapes) for shapes in several.values()}
    if len(numbers) > 1:
        told = ", ".join(f"{len(shapes)} of {name}" for name, shapes in several.items())
        raise UsageError(f"each input has as many shapes as the others, or one: there are {told}")
    sets: dict[str, dict[str, Shape]] = {}
    for place in range(numbers.pop() if numbers else 1):
        label = "-".join("x".join(map(str, shapes[place])) for shapes in several.values())
        if label in sets:
            raise UsageError(f"the shape {label} is given twice")
        sets[label] = {name: shapes[place if len(shapes) > 1 else 0] for name, shapes in found.items()}
    return sets
