"""The questions behind `best`, `show`, `history` and `targets`, asked without the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tunedb.samples import AROUND, MACHINE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial
from tunedb import Store, open_store
from tunedb.documents import answers
from tunedb.errors import NotFoundError
from tunedb.identity import canonical_target, conditions_of
from tunedb.query.best import best
from tunedb.query.convergence import convergence
from tunedb.query.description import RecordDescription, WorkloadDescription, describe
from tunedb.query.target_groups import target_groups

NEAR_TARGET = canonical_target('{"kind":"llvm","mcpu":"znver5","num-cores":8}')


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("memory:") as opened:
        opened.append([trial(2), trial(0), failed(3), trial(1)], **AROUND)
        opened.append([trial(0, secs=1e-4, target_id=OTHER_TARGET.target_id)], targets=[OTHER_TARGET, NEAR_TARGET])
        yield opened


def test_best_has_the_target_with_the_fastest_first(store: Store) -> None:
    found = best(store, WORKLOAD.workload_id[:8], top=2)
    assert [row.target for row in found] == [OTHER_TARGET, TARGET, TARGET]
    assert [row.trial.run_secs for row in found] == [(1e-4,), (1e-3,), (2e-3,)]
    assert {(row.hardware, row.source and row.source.source_id, row.script) for row in found} == {
        (MACHINE, SOURCE.source_id, None)
    }
    assert [row["record_id"] for row in answers.best(found)["results"]] == [row.trial.trial_id for row in found]


def test_best_names_near_equal_targets_and_never_answers_with_them(store: Store) -> None:
    with pytest.raises(NotFoundError, match=f"no good trial on target .*{TARGET.target_id[:12]}") as caught:
        best(store, WORKLOAD.workload_id, NEAR_TARGET.text)
    assert caught.value.asked == WORKLOAD.workload_id


def test_best_is_of_one_kind_of_conditions(store: Store) -> None:
    flushed = conditions_of(caches="flushed")
    cold = trial(7, secs=1e-5, conditions=flushed)
    store.append([cold])
    assert cold not in [row.trial for row in best(store, WORKLOAD.workload_id, top=9)]
    (found,) = best(store, WORKLOAD.workload_id, conditions=flushed)
    assert found.trial == cold
    assert answers.best([found])["conditions"] == {"caches": "flushed"}
    with pytest.raises(NotFoundError, match="there are some under other conditions"):
        best(store, WORKLOAD.workload_id, conditions='{"through_rpc":true}')


def test_describe_takes_workloads_and_records(store: Store) -> None:
    workload = describe(store, WORKLOAD.workload_id[:8])
    assert isinstance(workload, WorkloadDescription)
    assert [row.target for row in workload.compared] == [OTHER_TARGET, TARGET]
    record = describe(store, failed(3).trial_id)
    assert isinstance(record, RecordDescription)
    assert (record.workload, record.target, record.hardware) == (workload.summary, TARGET, MACHINE)
    document = answers.record_description(record, "no TVM is installed")
    assert (document["replays"], document["run_secs_median"], document["outcome"]) == (False, None, "compile_error")
    with pytest.raises(NotFoundError, match="no workload and no record"):
        describe(store, "zz")


def test_convergence_has_what_was_faster_than_all_before(store: Store) -> None:
    (history,) = convergence(store, WORKLOAD.workload_id, TARGET.target_id[:12]).histories
    assert (history.source.source_id, history.target, history.hardware) == (SOURCE.source_id, TARGET, MACHINE)
    assert [(step.number, step.secs) for step in history.improvements] == [(1, 1e-3)]  # in order of position
    assert (history.num_trials, history.num_failed, history.best_after(0)) == (4, 1, None)
    assert len(convergence(store, WORKLOAD.workload_id).histories) == 2


def test_near_equal_targets_stand_together(store: Store) -> None:
    store.append([trial(number, target_id=NEAR_TARGET.target_id) for number in range(9)])
    found = target_groups(store)
    assert [row.summary.target.arch for row in found] == ["znver5", "znver5", "skylake-avx512"]
    assert found[0].near_equal == (found[1].summary.target,)
    assert {row.differs_in for row in found} == {"num-cores=1", "num-cores=8", ""}
    assert found[0].calibration.flop_per_sec is None
