"""Finished trials are in the store within a second, whatever comes next."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tunedb
from search.trial_writer import TrialWriter
from tests.tunedb import samples
from tunedb.errors import StoreError
from tunedb.store.contract import Store
from tunedb.store.memory import MemoryStore

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0  # seconds; the bound is one, and the machine may be busy


def writer_of(store: Store | None) -> TrialWriter:
    return TrialWriter(store, samples.TARGET, samples.MACHINE, samples.SOURCE)


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with tunedb.open_store(tmp_path / "store") as opened:
        yield opened


def test_a_trial_is_stored_though_the_next_one_takes_long(store: Store, tmp_path: Path) -> None:
    writer = writer_of(store)
    writer.add(samples.trial(0), samples.WORKLOAD, samples.MODULE)
    # Nothing more is asked of the writer: the next candidate is being measured.
    with tunedb.open_store(tmp_path / "store", create=False) as reader:
        assert eventually(lambda: len(list(reader.trials())) == 1)
    writer.add(samples.trial(1), samples.WORKLOAD, samples.MODULE)
    writer.close()
    assert store.stats().num_trials == 2


def test_trials_that_come_fast_are_appended_a_few_at_a_time() -> None:
    store = Counting()
    writer = writer_of(store)
    for number in range(200):
        writer.add(samples.trial(number), samples.WORKLOAD, samples.MODULE)
    writer.close()
    assert store.stats().num_trials == 200
    assert store.num_appends < 100


def test_reference_kernels_are_stored_with_the_next_trial_only() -> None:
    store = MemoryStore()
    writer = writer_of(store)
    other = samples.workload("another")
    module = samples.module(other)
    attached = samples.trial(7, workload_id=other.workload_id, module_id=module.module_id)
    writer.attach([attached], [(other, module)])
    writer.flush()
    assert list(store.trials()) == []
    writer.add(samples.trial(0), samples.WORKLOAD, samples.MODULE)
    writer.flush()
    assert {one.trial_id for one in store.trials()} == {attached.trial_id, samples.trial(0).trial_id}
    writer.close()


def test_what_could_not_be_appended_is_named_and_tried_again() -> None:
    store = Broken()
    writer = writer_of(store)
    writer.add(samples.trial(0), samples.WORKLOAD, samples.MODULE)
    assert eventually(lambda: store.num_appends > 0)  # by the writer's thread
    assert eventually(lambda: writer._problem is not None)
    with pytest.raises(StoreError, match="disk full"):
        writer.add(samples.trial(1), samples.WORKLOAD, samples.MODULE)
    store.is_broken = False
    writer.add(samples.trial(1), samples.WORKLOAD, samples.MODULE)
    writer.close()
    assert {one.trial_id for one in store.trials()} == {samples.trial(n).trial_id for n in range(2)}


def test_nobody_is_told_of_a_trial_before_it_is_stored() -> None:
    store = Broken()
    writer = writer_of(store)
    told: list[tuple[int, int]] = []
    for number in range(3):
        writer.add(
            samples.trial(number),
            samples.WORKLOAD,
            samples.MODULE,
            lambda number=number: told.append((number, store.stats().num_trials)),  # type: ignore[misc]
        )
    with pytest.raises(StoreError, match="disk full"):
        writer.flush()
    assert told == []
    store.is_broken = False
    assert eventually(lambda: len(told) == 3)
    assert [number for number, _ in told] == [0, 1, 2]
    assert all(stored > number for number, stored in told)
    writer.close()


def test_without_a_store_nothing_is_kept() -> None:
    before = set(threading.enumerate())
    writer = writer_of(None)
    writer.attach([samples.trial(0)], [(samples.WORKLOAD, samples.MODULE)])
    writer.add(samples.trial(1), samples.WORKLOAD, samples.MODULE)
    assert set(threading.enumerate()) <= before  # nor is a thread started
    writer.close()


def test_threads_may_share_one(store: Store) -> None:
    writer = writer_of(store)

    def add(first: int) -> None:
        for number in range(first, first + 25):
            writer.add(samples.trial(number), samples.WORKLOAD, samples.MODULE)

    threads = [threading.Thread(target=add, args=(25 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert store.stats().num_trials == 100


VICTIM = """
import sys, time
import tunedb
from search.trial_writer import TrialWriter
from tests.tunedb import samples

store = tunedb.open_store(sys.argv[1])
writer = TrialWriter(store, samples.TARGET, samples.MACHINE, samples.SOURCE)
for number in range(3):
    writer.add(samples.trial(number), samples.WORKLOAD, samples.MODULE)
print("measuring the next one", flush=True)
time.sleep(600)
"""


def test_a_kill_while_the_next_one_runs_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    command = [sys.executable, "-c", VICTIM, str(tmp_path / "store")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as victim:
        try:
            assert victim.stdout is not None
            assert victim.stdout.readline().startswith("measuring")
            with tunedb.open_store(tmp_path / "store", create=False) as reader:
                assert eventually(lambda: len(list(reader.trials())) == 3)
        finally:
            victim.kill()
    with tunedb.open_store(tmp_path / "store", create=False) as left:
        assert {one.trial_id for one in left.trials()} == {samples.trial(number).trial_id for number in range(3)}
        assert left.problems() == []


def test_nobody_waits_for_a_store_that_is_elsewhere() -> None:
    store = Elsewhere()
    writer = writer_of(store)
    writer.add(samples.trial(0), samples.WORKLOAD, samples.MODULE)
    stored: list[int] = []
    writer.flush_soon(lambda: stored.append(store.stats().num_trials))
    assert store.begun.wait(PATIENCE)
    assert stored == []
    writer.add(samples.trial(1), samples.WORKLOAD, samples.MODULE)
    store.answers.set()
    assert eventually(lambda: stored == [1])
    writer.flush_soon(lambda: stored.append(store.stats().num_trials))
    writer.close()
    assert stored == [1, 2]


def test_what_waits_for_a_batch_is_told_though_all_of_it_is_stored_already() -> None:
    store = MemoryStore()
    writer = writer_of(store)
    writer.add(samples.trial(0), samples.WORKLOAD, samples.MODULE)
    writer.flush()
    told: list[bool] = []
    writer.flush_soon(lambda: told.append(True))
    writer.close()
    assert told == [True]


class Elsewhere(MemoryStore):
    """Answers late."""

    is_remote = True

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.answers = threading.Event(), threading.Event()

    def append_batch(self, batch: Any) -> Any:
        self.begun.set()
        assert self.answers.wait(PATIENCE)
        return super().append_batch(batch)


class Counting(MemoryStore):
    """Counts appends."""

    def __init__(self) -> None:
        super().__init__()
        self.num_appends = 0

    def append_batch(self, batch: Any) -> Any:
        self.num_appends += 1
        return super().append_batch(batch)


class Broken(Counting):
    """Cannot be written at first."""

    is_broken = True

    def append_batch(self, batch: Any) -> Any:
        if self.is_broken:
            self.num_appends += 1
            raise StoreError("disk full")
        return super().append_batch(batch)
