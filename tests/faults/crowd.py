"""Many processes on one store at once: writers, readers, a compactor, and ingests of one and the same log."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.faults.corpus import clean, truth, write
from tests.faults.harness import Fuzzer
from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.ingest.pipeline import ingest
from tunedb.maintenance.verify import verify

_BATCH = 4
_ALL_WRITE = 5  # of so many batches, one is what all writers write


def write_until(url: str, until: float, writer: int) -> tuple[str, int]:
    """Appends batches; says how many."""
    batches = 0
    with open_store(url) as store:
        while time.time() < until:
            store.append(_batch(writer, batches), **AROUND)
            batches += 1
    return "batches appended", batches


def _batch(writer: int, number: int) -> list[Any]:
    first = (0 if number % _ALL_WRITE == 0 else writer * 1_000_000) + number * _BATCH
    return [trial(position) for position in range(first, first + _BATCH)]


def read_until(url: str, until: float, reader: int) -> tuple[str, int]:
    """Asks for all trials; says how often."""
    rounds, seen = 0, frozenset[str]()
    with open_store(url) as store:
        while time.time() < until:
            now = [row.trial_id for row in store.trials()]
            assert len(now) == len(set(now)), "a trial was there twice"
            assert seen <= frozenset(now), "a reader went backwards"
            seen = frozenset(now)
            assert store.stats().num_trials >= len(seen), "a count went backwards"
            rounds += 1
    return "reads", rounds


def compact_until(url: str, until: float, compactor: int) -> tuple[str, int]:
    """Compacts every half a second; says how often."""
    rounds = 0
    with open_store(url) as store:
        while time.time() < until:
            store.compact(timedelta(hours=1))
            rounds += 1
            time.sleep(0.5)
    return "compactions", rounds


def ingest_now(url: str, until: float, number: int) -> tuple[str, int]:
    """Waits for the others, and reads the logs beside the store; says how many trials it added."""
    time.sleep(max(until - time.time(), 0))
    with open_store(url) as store:
        return "added", ingest(store, [f"{url}-logs"]).added


def _child(work: Callable[[str, float, int], tuple[str, int]], url: str, until: float, number: int, out: Any) -> None:
    try:
        out.put((number, *work(url, until, number)))
    except BaseException as error:
        out.put((number, f"{work.__name__} raised {type(error).__name__}: {error}", 0))


def _together(
    url: str, until: float, works: list[Callable[[str, float, int], tuple[str, int]]]
) -> list[tuple[int, str, int]]:
    """What each of some works says, each in a process of its own; they are numbered from 1."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.victim", "tests.faults.crowd"])
    out = context.Queue()
    crowd = [context.Process(target=_child, args=(work, url, until, n, out)) for n, work in enumerate(works, 1)]
    for process in crowd:
        process.start()
    try:
        return [out.get(timeout=max(until - time.time(), 0) + 120) for _ in crowd]
    finally:
        for process in crowd:
            process.join(30)
            process.kill()


def nothing(url: str, until: float, number: int) -> tuple[str, int]:
    """For a server that is to be warm when it counts."""
    return "", 0


class Crowd(Fuzzer):
    """Writers, two readers and a compactor. Every other crowd is large."""

    name = "crowd"
    summary = "4 or 16 writers, 2 readers and a compactor at once: all that was acknowledged is there, once"
    short, full = 1, 6

    @override
    def prepare(self, folder: Path) -> None:
        _together("", 0, [nothing])

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        writers, secs = (16, 20.0) if number % 2 else (4, 3.0)
        url = str(folder / "store")
        open_store(url).close()
        works = [*[write_until] * writers, read_until, read_until, compact_until]
        said = _together(url, time.time() + secs, works)
        expected: set[str] = set()
        for writer, what, times in said:
            if "raised" in what:
                yield what
            self.counts[what] = self.counts.get(what, 0) + times
            if what == "batches appended":
                expected.update(row.trial_id for done in range(times) for row in _batch(writer, done))
        with open_store(url) as store:
            found = Counter(row.trial_id for row in store.trials())
            if found != Counter(expected):
                lost, strays = expected - found.keys(), found.keys() - expected
                yield f"{writers} writers: {len(lost)} trials lost, {len(strays)} not written, {found.total()} in all"
            if problems := verify(store):
                yield f"{writers} writers: unsound: {problems[0]}"


class SameLog(Fuzzer):
    """Ingests of one log at once share what they say that they added."""

    name = "same-log"
    summary = "2 to 4 ingests of one log at once: stored once, and counted once"
    short, full = 2, 40

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        name = rng.choice(sorted(clean()))
        write(folder / "store-logs", clean()[name])
        url = str(folder / "store")
        if rng.random() < 0.5:
            open_store(url).close()
        said = _together(url, time.time() + 0.5, [ingest_now] * rng.randint(2, 4))
        yield from (what for _, what, _ in said if "raised" in what)
        added = [added for _, _, added in said]
        wanted = len(truth(name).whole)
        with open_store(url) as store:
            found = sum(1 for _ in store.trials())
            if found != wanted or sum(added) != wanted:
                yield f"{name}: {wanted} trials; {found} are there, and {added} were said to be added"
            if problems := verify(store):
                yield f"unsound: {problems[0]}"
