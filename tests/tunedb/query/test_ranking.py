from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, MACHINE, TARGET, WORKLOAD, failed, trial
from tunedb import Store, open_store
from tunedb.machine.hardware import hardware_named
from tunedb.query.ranking import ranked_best


@pytest.fixture(params=["memory", "delta"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store("memory:" if request.param == "memory" else tmp_path / "store") as opened:
        opened.append([], **AROUND)
        yield opened


def test_repeated_measurements_of_a_trace_are_pooled(store: Store) -> None:
    # Schedule 0 was lucky once; schedule 1 was as fast each time.
    store.append([trial(0, secs=s) for s in (0.9e-3, 1.4e-3, 1.41e-3)])
    store.append([trial(1, secs=s) for s in (1.0e-3, 1.01e-3, 1.02e-3)])
    store.append([trial(2, secs=5e-3), failed(3)])
    assert store.best(WORKLOAD.workload_id, TARGET.target_id)[0].run_secs == (0.9e-3,)
    ranked = ranked_best(store, WORKLOAD.workload_id, TARGET.target_id, limit=3)
    assert [row.trial.trial_id for row in ranked] == [
        trial(1, secs=1.0e-3).trial_id,
        trial(0, secs=0.9e-3).trial_id,
        trial(2, secs=5e-3).trial_id,
    ]
    assert [row.estimate.num_rounds for row in ranked] == [3, 3, 1]
    assert ranked[0].tied
    assert not ranked[2].tied


def test_machines_are_not_pooled(store: Store) -> None:
    other = hardware_named("another machine")
    store.append([trial(0, secs=1e-3), trial(0, secs=3e-3, hardware_id=other.hardware_id)], hardware=[other])
    ranked = ranked_best(store, WORKLOAD.workload_id, TARGET.target_id, limit=2)
    assert [(row.trial.hardware_id, row.estimate.num_rounds) for row in ranked] == [
        (MACHINE.hardware_id, 1),
        (other.hardware_id, 1),
    ]


def test_no_trial_no_rank(store: Store) -> None:
    assert ranked_best(store, WORKLOAD.workload_id, TARGET.target_id) == []
