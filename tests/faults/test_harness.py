"""The harness finds what is broken, repeats it by its seed and number, and writes what it did."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from tests.faults.corpus import clean, truth, write
from tests.faults.harness import Fuzzer, document, run, table
from tests.faults.readers import judge, names_of
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore

ROOT = Path(__file__).parents[2]


class Planted(Fuzzer):
    """Breaks in one try of ten, and raises in some."""

    name = "planted"
    summary = "what a test plants"
    short, full = 100, 1000

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        assert not list(folder.iterdir())
        drawn = rng.randrange(20)
        self.count("high" if drawn > 9 else "low")
        if drawn == 0:
            raise ValueError("of no use")
        if drawn == 1:
            yield f"drew {drawn}"


def test_what_is_planted_is_found_and_can_be_repeated() -> None:
    tally = run(Planted(), seed=7, numbers=range(100))
    assert tally.tries == 100
    assert {find.what.split(" (")[0] for find in tally.finds} == {"drew 1", "raised ValueError: of no use"}
    assert sum(tally.counts.values()) == 100
    for find in tally.finds:
        again = run(Planted(), seed=7, numbers=[find.number])
        assert [(it.number, it.what) for it in again.finds] == [(find.number, find.what)]
    other = run(Planted(), seed=8, numbers=range(100))
    assert [find.number for find in other.finds] != [find.number for find in tally.finds]


def test_figures_are_told_to_people_and_to_programs() -> None:
    tally = run(Planted(), seed=7, numbers=range(100))
    first = tally.finds[0]
    assert f"planted    100  {len(tally.finds):>5}" in table([tally])
    assert f"python -m tests.faults planted --seed 7 --only {first.number}" in table([tally])
    (written,) = json.loads(document([tally]))
    assert (written["tries"], len(written["finds"]), written["seed"]) == (100, len(tally.finds), 7)


def test_time_is_bounded() -> None:
    assert run(Planted(), seed=1, numbers=range(10**9), secs=0.05).tries < 10**6


def test_the_command_says_what_there_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "lines", "--tries", "20", "--json", str(tmp_path / "f.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:3] == ["lines", "20", "0"]
    assert json.loads((tmp_path / "f.json").read_text())[0]["tries"] == 20
    done = subprocess.run([*command[:3], "nonsense"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2


def test_the_judge_of_logs_sees_a_changed_and_a_lost_record(tmp_path: Path) -> None:
    """Were the ingest to store what nobody measured, or to drop a line, the fuzzers would say so."""
    files = clean()["autotvm"]
    (name,) = files
    lines = files[name].split(b"\n")
    for changed, seen in (
        ([line.replace(b"0.0001", b"0.0009") for line in lines], "was not measured"),
        (lines[:3] + lines[4:], "neither stored nor rejected"),
    ):
        folder = tmp_path / str(len(changed))
        write(folder, {name: b"\n".join(changed)})
        store = MemoryStore()
        report = ingest(store, [folder])
        named = names_of(files, "plain")
        found = list(judge(store, report, truth("autotvm"), [], named=named, changed=False))
        assert any(seen in what for what in found), found
