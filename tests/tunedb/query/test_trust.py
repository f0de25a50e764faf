"""What others sent is foreign until somebody else has measured it, and `trusted` goes by nothing that is."""

from __future__ import annotations

import pytest

from tests.tunedb.samples import AROUND, TARGET, WORKLOAD, trial
from tunedb.errors import NotFoundError
from tunedb.identity import source
from tunedb.query.best import Best, best
from tunedb.records import Source, Trial
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    found = MemoryStore()
    found.append([], **AROUND)
    return found


def send(store: MemoryStore, sender: str, *trials: Trial) -> Source:
    """Appends trials as of a tuning run of a sender; "" is the keeper."""
    run = source(f"tune:{sender}", "tune")
    rows = TrialRows.of(trial(one.position, one.run_secs[0], source_id=run.source_id) for one in trials)
    store.append_batch(Batch(TrialColumns.of(rows), sources=[run], sender=sender))
    return run


def fastest(store: MemoryStore, reader: str = "", **given: bool) -> Best:
    return best(store, WORKLOAD.workload_id, TARGET.target_id, reader=reader, **given)[0]  # type: ignore[arg-type]


def test_what_the_keeper_brought_is_trusted(store: MemoryStore) -> None:
    send(store, "", trial(0, 0.002))
    found = fastest(store, trusted=True)
    assert (found.is_foreign, found.senders) == (False, ())


def test_what_one_sender_measured_is_foreign_to_others_and_not_to_itself(store: MemoryStore) -> None:
    send(store, "", trial(0, 0.002))
    send(store, "board", trial(1, 0.001))
    found = fastest(store)
    assert (found.is_foreign, found.senders, found.trial.run_secs) == (True, ("board",), (0.001,))
    assert not fastest(store, "board").is_foreign
    assert fastest(store, "laptop").is_foreign
    assert fastest(store, trusted=True).trial.run_secs == (0.002,)
    assert fastest(store, "board", trusted=True).trial.run_secs == (0.001,)


@pytest.mark.parametrize("again", ["", "laptop"])
def test_measured_again_it_is_trusted(store: MemoryStore, again: str) -> None:
    send(store, "board", trial(1, 0.001))
    with pytest.raises(NotFoundError, match="not foreign"):
        fastest(store, trusted=True)
    send(store, "board", trial(1, 0.0011))
    assert fastest(store).is_foreign
    send(store, again, trial(1, 0.003))
    assert not fastest(store).is_foreign
    secs = fastest(store, trusted=True).ranked.estimate.secs
    assert secs == pytest.approx(0.003) if not again else 0.001 < secs < 0.003


def test_what_a_sender_says_of_a_trusted_schedule_does_not_count(store: MemoryStore) -> None:
    send(store, "", trial(0, 0.002), trial(1, 0.003))
    send(store, "liar", trial(1, 1e-6))
    assert fastest(store).trial.run_secs == (1e-6,)
    found = fastest(store, trusted=True)
    assert (found.trial.run_secs, found.ranked.estimate.secs) == ((0.002,), 0.002)


def test_the_same_record_sent_twice_is_no_second_measurement(store: MemoryStore) -> None:
    send(store, "board", trial(1, 0.001))
    send(store, "laptop", trial(1, 0.001))
    assert fastest(store).is_foreign
