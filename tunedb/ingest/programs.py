"""What a workload file says, by line: records refer to it by the line's index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tunedb.ingest.formats.metaschedule import ListedWorkload

Reference = ListedWorkload | None  # None: the line is bad


@dataclass(slots=True)
class Programs:
    """The workloads of a workload file, in its order.

    TVM reads no file with blank lines, so those that are there came later: by an editor, a conversion, two files put
    together. The records' indices count lines without them. Only where a record's index is higher than that reaches, a
    line was made blank, and keeps its place.
    """

    _lines: list[Reference] = field(default_factory=list)
    _blank: list[int] = field(default_factory=list)  # places in `_lines`, those at the end too

    def add(self, reference: Reference) -> None:
        """Takes note of a line."""
        self._lines.append(reference)

    def add_blank(self) -> None:
        """Takes note of a blank line."""
        self._blank.append(len(self._lines))
        self._lines.append(None)

    def refs(self, highest_index: Callable[[], int]) -> list[Reference]:
        """What each index stands for.

        Args:
            highest_index: gives the highest index of the records; asked only if it makes a difference.
        """
        blank = set(self._blank)
        last = max((place for place in range(len(self._lines)) if place not in blank), default=-1)
        counted = [line for place, line in enumerate(self._lines) if place not in blank]
        if last + 1 == len(counted) or highest_index() < len(counted):
            return counted
        return self._lines[: last + 1]
