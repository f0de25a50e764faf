"""Eight writers, two readers and a compactor on one store at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store

SECONDS = float(os.environ.get("TUNEDB_TEST_CROWD_SECS", "60"))
WRITERS, READERS = 8, 2


def write(url: str, writer: int, until: float, results: Any) -> None:
    acknowledged = 0
    with open_store(url) as store:
        while time.time() < until:
            first = writer * 1_000_000 + acknowledged
            batch = [trial(number) for number in range(first, first + 4)]
            store.append(batch, **AROUND)
            acknowledged += 4
    results.put(("writer", writer, acknowledged))


def read(url: str, reader: int, until: float, results: Any) -> None:
    rounds, seen = 0, frozenset[str]()
    with open_store(url) as store:
        while time.time() < until:
            now = [row.trial_id for row in store.trials()]
            assert len(now) == len(set(now)), "a trial was there twice"
            assert seen <= frozenset(now), "a reader went backwards"
            seen = frozenset(now)
            count = store.stats().num_trials
            assert count >= len(seen), "a reader went backwards"
            rounds += 1
    results.put(("reader", reader, rounds))


def compact(url: str, until: float, results: Any) -> None:
    rounds = 0
    with open_store(url) as store:
        while time.time() < until:
            store.compact(timedelta(hours=1))
            rounds += 1
            time.sleep(1)
    results.put(("compactor", 0, rounds))


@pytest.mark.slow
def test_a_crowd(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    open_store(url).close()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    until = time.time() + SECONDS + 5  # they need some seconds to start
    crowd = [
        *(context.Process(target=write, args=(url, number, until, results)) for number in range(WRITERS)),
        *(context.Process(target=read, args=(url, number, until, results)) for number in range(READERS)),
        context.Process(target=compact, args=(url, until, results)),
    ]
    for process in crowd:
        process.start()
    said = [results.get(timeout=SECONDS + 120) for _ in crowd]
    for process in crowd:
        process.join(60)
        assert process.exitcode == 0
    expected = {
        trial(writer * 1_000_000 + number).trial_id
        for kind, writer, acknowledged in said
        if kind == "writer"
        for number in range(acknowledged)
    }
    print(sorted(said), len(expected))  # noqa: T201 - figures for those who ask with -s
    with open_store(url) as store:
        assert {row.trial_id for row in store.trials()} == expected
        assert store.problems() == []
