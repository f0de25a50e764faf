"""Fuzzers that can be repeated: tries that follow from a seed and a number, and what is found in them.

A try draws everything that it does from one generator, which is seeded with the fuzzer's name, the run's seed and the
number of the try. So a find is repeated by these three, whatever was tried before it.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

_SHOWN = 40  # finds of a fuzzer in the table; all are in the JSON


@dataclass(frozen=True, slots=True)
class Find:
    """A try in which a promise was seen broken."""

    number: int  # of the try
    what: str
    again: str  # the command that repeats it


@dataclass(slots=True)
class Tally:
    """What a fuzzer did."""

    name: str
    seed: int
    tries: int = 0
    finds: list[Find] = field(default_factory=list)
    secs: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)  # what the tries did, for people


class Fuzzer(ABC):
    """One kind of attack. `prepare` is called once, then `attempt` for each number, then `close`."""

    name: str
    summary: str  # one line: what is attacked, and what is promised
    short: int  # tries of the short form: seconds
    full: int  # tries of the long form: minutes

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def prepare(self, folder: Path) -> None:  # noqa: B027 - not all have something to prepare
        """Makes what all tries start from, below an empty folder."""

    @abstractmethod
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterable[str]:
        """One try in an empty folder of its own; says which promises it saw broken."""

    def close(self) -> None:  # noqa: B027
        """Ends what runs beside."""

    def count(self, what: str) -> None:
        """Counts what a try came to, for the table."""
        self.counts[what] = self.counts.get(what, 0) + 1


def run(fuzzer: Fuzzer, *, seed: int, numbers: Iterable[int], secs: float | None = None) -> Tally:
    """Lets a fuzzer try.

    Args:
        fuzzer: the fuzzer, which is prepared and closed here.
        seed: what all tries follow from.
        numbers: the tries.
        secs: no try begins after this time; None for no bound.

    Returns:
        What was tried and found.
    """
    tally = Tally(fuzzer.name, seed, counts=fuzzer.counts)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"tunedb-{fuzzer.name}-") as temporary:
        root = Path(temporary)
        (root / "prepared").mkdir()
        try:
            fuzzer.prepare(root / "prepared")
            for number in numbers:
                if secs is not None and time.monotonic() - start > secs:
                    break
                folder = root / f"try-{number}"  # a new path each: what libraries remember of a path is not of this try
                folder.mkdir()
                found = list(_attempt(fuzzer, number, random.Random(f"{fuzzer.name}:{seed}:{number}"), folder))
                if found:
                    more = f" (and {len(found) - 1} more)" if found[1:] else ""
                    again = f"python -m tests.faults {fuzzer.name} --seed {seed} --only {number}"
                    tally.finds.append(Find(number, found[0] + more, again))
                shutil.rmtree(folder)
                tally.tries += 1
        finally:
            fuzzer.close()
    tally.secs = round(time.monotonic() - start, 1)
    return tally


def _attempt(fuzzer: Fuzzer, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
    try:
        yield from fuzzer.attempt(number, rng, folder)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        yield f"raised {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


def table(tallies: Sequence[Tally]) -> str:
    """Tries and finds of each fuzzer, for people; the finds below."""
    rows = [("fuzzer", "tries", "finds", "secs", "of which")]
    for tally in tallies:
        did = ", ".join(f"{number:,} {what}" for what, number in sorted(tally.counts.items()))
        rows.append((tally.name, f"{tally.tries:,}", f"{len(tally.finds):,}", f"{tally.secs:.0f}", did))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]) for row in rows
    ]
    finds = [
        f"{tally.name} {find.number}: {find.what}\n    {find.again}"
        for tally in tallies
        for find in tally.finds[:_SHOWN]
    ]
    return "\n".join([*(line.rstrip() for line in lines), *([""] if finds else []), *finds])


def document(tallies: Sequence[Tally]) -> str:
    """The same as JSON."""
    return json.dumps([asdict(tally) for tally in tallies], indent=1) + "\n"


def check_short(fuzzer: Fuzzer, *, seed: int = 1) -> Tally:
    """The short form, as the tests run it: nothing may be found."""
    tally = run(fuzzer, seed=seed, numbers=range(fuzzer.short))
    assert tally.tries == fuzzer.short
    assert not tally.finds, table([tally])
    return tally
