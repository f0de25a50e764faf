"""The figures of docs/reliability.md, as a run of the fuzzers gave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.harness import Tally

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_ROW = r"^\| `{name}` \| [\d,]+ \| [\d,]+ \|.*\n"


def with_figures(page: str, tallies: Sequence[Tally], when: str) -> str:
    """A page whose table of figures has those of some fuzzers anew; the others' rows stay.

    Args:
        page: the page.
        tallies: what the fuzzers did.
        when: the day, and the commit that was attacked.
    """
    for tally in tallies:
        did = ", ".join(f"{number:,} {what}" for what, number in sorted(tally.counts.items()))
        row = f"| `{tally.name}` | {tally.tries:,} | {len(tally.finds):,} | {did or 'all alike'} | {when} |\n"
        page, found = re.subn(_ROW.format(name=tally.name), lambda _, row=row: row, page, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"the page has {found} rows of figures of {tally.name}")
    return page
