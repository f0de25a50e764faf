"""Writers that are killed before each of their file-system calls, or within a write, and disks that fill or fail.

- What a call acknowledged is there afterwards, once, and nothing is there that nobody wrote.
- The store is sound as it was left, and doing the work again completes it.
- On a full disk there is an error that says so, and no more.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.faults.corpus import clean, whole, write
from tests.faults.harness import Fuzzer
from tests.faults.victim import WORK
from tests.tunedb.maintenance.damage import newest
from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.errors import StoreError, StoreSchemaError
from tunedb.ingest.pipeline import ingest
from tunedb.maintenance.verify import verify

_ROOT = Path(__file__).parents[2]
_OLD_STORE = _ROOT / "tests" / "tunedb" / "assets" / "stores" / "v1.tar.xz"
_PLACES = 200  # at which a disk is full


class Mode(IntEnum):
    """What `shim.c` does."""

    COUNT = 0
    KILL = 1
    TEAR = 2
    FULL = 3
    FAIL = 4


@dataclass(frozen=True)
class Reply:
    """What a victim came to."""

    safe: frozenset[str]  # ids that it acknowledged
    end: list[
        str
    ]  # ["done", file-system calls, bytes written], ["failed", error, text], ["raised", error, text], or [] for killed
    stderr: str


class Victims:
    """A process that forks victims: see `tests/faults/victim.py`."""

    def __init__(self, folder: Path) -> None:
        shim = folder / "shim.so"
        source = Path(__file__).with_name("shim.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
        self._stderr = folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim", str(shim)],
            cwd=_ROOT,
            env={**os.environ, "LD_PRELOAD": str(shim), "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def let(self, work: str, url: Path, mode: Mode, at: int) -> Reply:
        """Lets a victim work on a store, and returns what it had acknowledged."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"work": work, "url": str(url), "mode": mode, "at": at, "stderr": str(self._stderr)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        safe = frozenset(id_ for line in reply["lines"] if line[0] == "safe" for id_ in line[1:])
        end = next((line for line in reply["lines"] if line[0] != "safe"), [])
        if not end and reply["signal"] != 9:
            end = ["raised", f"signal {reply['signal']}"]
        return Reply(safe, end, self._stderr.read_text(errors="replace"))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Kills(Fuzzer):
    """A kill -9 before any file-system call of any work, or in the middle of any write."""

    name = "kills"
    summary = "kill -9 before each file-system call and within each write: acknowledged trials are there, once"
    short, full = 9, 1_200
    modes: tuple[Mode, ...] = (Mode.KILL, Mode.TEAR)

    @override
    def prepare(self, folder: Path) -> None:
        self._victims = Victims(folder)
        self._prepared = {work: folder / work for work in WORK}
        self._before: dict[str, Counter[Any]] = {}
        self._after: dict[str, Counter[Any]] = {}
        self._points: dict[str, list[tuple[Mode, int]]] = {}
        for work, place in self._prepared.items():
            _prepare(work, place)
            self._before[work] = Counter() if work in ("migrate", "repair") else _contents(place / "store")
            shutil.copytree(place, folder / "clean" / work)
            reply = self._victims.let(work, folder / "clean" / work / "store", Mode.COUNT, 0)
            assert reply.end[0] == "done", reply
            self._after[work] = _contents(folder / "clean" / work / "store")
            calls, size = map(int, reply.end[1:])
            self._points[work] = [
                (mode, at)
                for mode in self.modes
                for at in range(0, *((size, max(size // _PLACES, 1)) if mode is Mode.FULL else (calls, 1)))
            ]
            random.Random(0).shuffle(self._points[work])

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        works = sorted(self._points)
        work, points = works[number % len(works)], self._points[works[number % len(works)]]
        mode, at = points[number // len(works) % len(points)]
        shutil.copytree(self._prepared[work], folder, dirs_exist_ok=True)
        store = folder / "store"
        reply = self._victims.let(work, store, mode, at)
        self.count(work)
        for what in (*self.judge_end(reply), *self._judge_store(work, store, reply.safe), *self._again(work, store)):
            yield f"{work}, {mode.name} at {at}: {what}"

    def judge_end(self, reply: Reply) -> Iterator[str]:
        """What is wrong with how the work ended."""
        if reply.end and reply.end[0] != "done":  # a point that this run does not reach
            yield f"it {' '.join(reply.end)}"

    def _judge_store(self, work: str, store: Path, safe: frozenset[str]) -> Iterator[str]:
        """What is wrong with the store as it was left."""
        if work == "repair":
            return  # it was broken before
        try:
            found = _contents(store)
        except StoreSchemaError:
            if work != "migrate":
                yield "the store has another schema version"
            return
        ids = {content[0] for content in found}
        if lost := safe - ids:
            yield f"{len(lost)} acknowledged trials are lost"
        if lost := (self._before[work] & self._after[work]) - found:
            yield f"{lost.total()} trials that were there before are lost"
        if strays := found - (self._before[work] | self._after[work]):
            yield f"{strays.total()} trials are there that nobody wrote"
        if found.total() > len(ids):
            yield f"{found.total() - len(ids)} trials are there twice"
        with open_store(store, create=False) as opened:
            if problems := verify(opened):
                yield f"unsound: {problems[0]}"

    def _again(self, work: str, store: Path) -> Iterator[str]:
        """What is wrong when the work is done again."""
        try:
            WORK[work](str(store), lambda ids: None)
            found = _contents(store)
        except StoreError as error:
            yield f"it cannot be done again: {error}"
            return
        if found != self._after[work]:
            yield f"done again, {found.total()} trials where there should be {self._after[work].total()}"
        with open_store(store, create=False) as opened:
            if problems := verify(opened):
                yield f"done again, unsound: {problems[0]}"

    @override
    def close(self) -> None:
        self._victims.close()


class FullDisk(Kills):
    """A disk that is full after some bytes, or that fails once."""

    name = "full-disk"
    summary = "a disk that is full after any number of bytes, or fails at any call: a clear error, and nothing is lost"
    short, full = 6, 480
    modes = (Mode.FULL, Mode.FAIL)

    @override
    def judge_end(self, reply: Reply) -> Iterator[str]:
        self.count("failed" if reply.end and reply.end[0] == "failed" else "went on")
        if not reply.end or reply.end[0] == "raised":
            yield f"it {' '.join(reply.end) or 'died'}"
        if "panicked" in reply.stderr or "Traceback" in reply.stderr:
            yield f"stderr: {reply.stderr.strip().splitlines()[0]}"


def _prepare(work: str, place: Path) -> None:
    """A store to work on, and what the work needs beside it."""
    store = place / "store"
    place.mkdir(parents=True)
    if work == "migrate":
        with tarfile.open(_OLD_STORE) as archive:
            archive.extractall(place, filter="data")
        return
    with open_store(store) as opened:
        for first in range(0, 12, 2):
            opened.append([trial(first), trial(first + 1)], **AROUND)
    if work == "ingest":
        write(place / "store-logs", clean()["metaschedule"])
    elif work in ("remove", "relabel"):
        lines = clean()["ansor"]["ansor.json"].splitlines(keepends=True)
        write(place / "store-logs", {"a.json": b"".join(lines[:-2]), "b.json": b"".join(lines[2:])})
        with open_store(store) as opened:
            ingest(opened, [place / "store-logs"])
    elif work == "merge":
        with open_store(place / "store-other") as other:
            for first in range(2000, 2012, 4):
                other.append([trial(number) for number in (1, *range(first, first + 4))], **AROUND)
    elif work == "repair":
        broken = newest(store, "trials")
        broken.write_bytes(broken.read_bytes()[:-40])


def _contents(store: Path) -> Counter[tuple[Any, ...]]:
    """How often each trial is there."""
    with open_store(store, create=False) as opened:
        return Counter((*whole(trial), trial.hardware_id) for trial in opened.trials())
