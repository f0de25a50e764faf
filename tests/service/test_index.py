"""The index says what the store says: after every commit, of whoever made it, and after what was taken away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service import seen
from service.index import BestIndex
from service.kept import NotKeptError
from tests.tunedb.samples import AROUND, OTHER_TARGET, TARGET, WORKLOAD, failed, module, trial, workload
from tunedb import open_store
from tunedb.documents import answers
from tunedb.identity import source
from tunedb.maintenance import remove as removing
from tunedb.query.best import best
from tunedb.store.contract import Store
from tunedb.store.delta.store import DeltaStore

OTHER = workload("conv2d")
AROUND_BOTH = {
    **AROUND,
    "workloads": [WORKLOAD, OTHER],
    "modules": [*AROUND["modules"], module(OTHER)],
    "targets": [TARGET, OTHER_TARGET],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def index(store: Store) -> Iterator[BestIndex]:
    opened = BestIndex(DeltaStore(store.url, create=False))
    yield opened
    opened.close()


def check(index: BestIndex, store: Store, *, top: int = 1) -> None:
    """Compares the answers of the two, and that the second one of the index comes from memory."""
    for one in (WORKLOAD, OTHER):
        for target in (None, TARGET.target_id, OTHER_TARGET.target_id):
            index.learn(one.workload_id, target)
            assert index.is_current
            expected = answers.best(best(store, one.workload_id, target, top))
            assert answers.best(index.best(one.workload_id, target, top, "")) == expected


def rows(numbers: range, chance: random.Random) -> list[object]:
    made: list[object] = []
    for number in numbers:
        own = chance.choice((WORKLOAD, OTHER))
        given = {
            "workload_id": own.workload_id,
            "module_id": module(own).module_id,
            "target_id": chance.choice((TARGET, OTHER_TARGET)).target_id,
        }
        if chance.random() < 0.1:
            made.append(replace(failed(number), **given))
        else:
            made.append(trial(chance.randrange(number + 1), chance.uniform(1e-3, 2e-3), **given))
    return made


@pytest.mark.parametrize("bits", [1 << 25, 64, 1 << 10])
def test_it_says_what_the_store_says(
    index: BestIndex, store: Store, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few bits: most traces seem to have been there. Somewhat more: after some hundred traces it begins anew."""
    monkeypatch.setattr(seen, "_BITS", bits)
    monkeypatch.setattr(seen, "_MOST", max(bits // 8, 100) if bits > 64 else 1 << 20)
    index._seen = seen.SeenTraces()
    chance = random.Random(1)
    everywhere = [
        trial(number, 1.0, workload_id=own.workload_id, module_id=module(own).module_id, target_id=target.target_id)
        for number, (own, target) in enumerate(
            (own, target) for own in (WORKLOAD, OTHER) for target in (TARGET, OTHER_TARGET)
        )
    ]
    store.append(everywhere, **AROUND_BOTH)  # type: ignore[arg-type]
    check(index, store)
    for batch in range(6):
        given = rows(range(batch * 60, batch * 60 + 60), chance)
        if batch % 3:
            with index.committing():
                store.append(given, **AROUND_BOTH)  # type: ignore[arg-type]
        else:  # another process, for the index
            store.append(given, **AROUND_BOTH)  # type: ignore[arg-type]
            assert not index.is_current
        check(index, store, top=1 + batch % 3)
    store.compact()
    check(index, store, top=3)


def test_what_was_taken_away_is_not_answered(index: BestIndex, store: Store) -> None:
    gone = source("tune:gone", "tune")
    slow = {one.target_id: trial(1, 2.0, target_id=one.target_id) for one in (TARGET, OTHER_TARGET)}
    others = [
        trial(5, 1.0, workload_id=OTHER.workload_id, module_id=module(OTHER).module_id, target_id=one) for one in slow
    ]
    store.append([*slow.values(), *others], **AROUND_BOTH)  # type: ignore[arg-type]
    fast = trial(2, 1e-6, source_id=gone.source_id)
    store.append([fast], **{**AROUND_BOTH, "sources": [gone]})  # type: ignore[arg-type]
    check(index, store)
    assert index.best(WORKLOAD.workload_id, TARGET.target_id, 1, "")[0].trial.trial_id == fast.trial_id
    removing.remove(store.url, gone.source_id, by="a test")
    check(index, store)


def test_it_keeps_only_the_fastest_and_says_what_it_does_not_have(index: BestIndex, store: Store) -> None:
    everything = [trial(number, 1e-3 * (1 + number)) for number in range(200)]
    store.append(everything, **AROUND)  # type: ignore[arg-type]
    index.learn(WORKLOAD.workload_id, TARGET.target_id)
    assert len(index.best(WORKLOAD.workload_id, TARGET.target_id, 50, "")) == 50
    with pytest.raises(NotKeptError):
        index.best(WORKLOAD.workload_id, TARGET.target_id, 100, "")
    with pytest.raises(NotKeptError):
        index.best("no such workload", None, 1, "")


def test_seen_traces_are_found_and_few_others() -> None:
    traces = [f"{number:032x}" for number in range(3_000)]
    known = seen.SeenTraces()
    known.add(("a", "b"), traces[:1_000])
    assert known.among(("a", "b"), traces[:1_000]) == set(traces[:1_000])
    assert len(known.among(("a", "b"), traces[1_000:])) < 10
    assert len(known.among(("a", "c"), traces)) < 10
    assert known.among(("a", "b"), []) == set() and not known.is_full
