"""Writers that are killed at random moments: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tunedb.logfiles import database, record_line
from tunedb import open_store
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.maintenance.verify import verify

KILLS = int(os.environ.get("TUNEDB_TEST_KILLS", "250"))  # of each kind
KILLS_A_STORE = 25
RECORDS = 600
LONGEST_SECS = 1.0


def start(*words: str) -> subprocess.Popen[str]:
    """A victim that is warming up."""
    command = [sys.executable, "-m", "tests.tunedb.faults.victim", *words]
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill_after(victim: subprocess.Popen[str], secs: float) -> set[str]:
    """Lets a victim go for some time, kills it, and returns what it had acknowledged."""
    assert victim.stdin is not None
    assert victim.stdout is not None
    assert victim.stdout.readline() == "ready\n"
    victim.stdin.write("go\n")
    victim.stdin.flush()
    time.sleep(secs)
    victim.kill()
    out, complaint = victim.communicate()
    assert "Error" not in complaint, complaint
    whole = out[: out.rfind("\n") + 1]
    return set(whole.split())


def warmed(words: list[list[str]]) -> Iterator[subprocess.Popen[str]]:
    """A victim for each, started while the one before it is at work."""
    following = start(*words[0])
    for next_words in [*words[1:], None]:
        victim, following = following, following if next_words is None else start(*next_words)
        yield victim


def store_of(folder: Path, number: int) -> str:
    return str(folder / f"store-{number // KILLS_A_STORE}")


def check(url: str, acknowledged: set[str]) -> None:
    with open_store(url) as store:
        counts = Counter(row.trial_id for row in store.trials())
        assert not acknowledged - counts.keys(), "an acknowledged trial is lost"
        assert set(counts.values()) <= {1}, "a trial is there twice"
        assert store.stats().num_trials == len(counts)
        assert store.problems() == []


@pytest.mark.slow
def test_kills_of_append(tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged: set[str] = set()
    useful = 0
    words = [["append", store_of(tmp_path, number), str(number * 10_000)] for number in range(KILLS)]
    for number, victim in enumerate(warmed(words)):
        url = store_of(tmp_path, number)
        if number % KILLS_A_STORE == 0:
            acknowledged = set()
        done = kill_after(victim, rng.uniform(0, LONGEST_SECS))
        useful += bool(done)
        acknowledged |= done
        check(url, acknowledged)
    assert useful > KILLS / 3, "most victims were killed before they had written anything"


@pytest.mark.slow
def test_kills_of_ingest(tmp_path: Path) -> None:
    logs = database(tmp_path / "logs", [record_line(number) for number in range(RECORDS)])
    rng = random.Random(2)
    acknowledged: set[str] = set()
    useful = 0
    machines = [f"machine {number // 2}" for number in range(KILLS)]  # the second finds what the first has left
    words = [["ingest", store_of(tmp_path, number), str(logs), machine] for number, machine in enumerate(machines)]
    for number, victim in enumerate(warmed(words)):
        url, machine = store_of(tmp_path, number), machines[number]
        if number % KILLS_A_STORE == 0:
            acknowledged = set()
        done = kill_after(victim, rng.uniform(0, LONGEST_SECS))
        useful += bool(done)
        acknowledged |= done
        check(url, acknowledged)
        if number % KILLS_A_STORE == KILLS_A_STORE - 1:
            with open_store(url) as store:
                ingest(store, [logs], hardware=hardware_named(machine))
                names = {row.hardware_id: row.name for row in store.hardware()}
                counts = Counter(names[row.hardware_id] for row in store.trials())
                assert counts[machine] == RECORDS
                assert [problem for problem in verify(store) if "module(s)" not in problem] == []
    assert useful > KILLS / 3, "most victims were killed before they had written anything"
