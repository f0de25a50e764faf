"""The questions behind `best`, `show`, `history` and `targets`, asked without the command line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, MACHINE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial, verdict
from tunedb import Store, open_store
from tunedb.documents import answers
from tunedb.errors import NotFoundError
from tunedb.identity import canonical_target, conditions_of
from tunedb.query.best import best
from tunedb.query.comparison import compare
from tunedb.query.convergence import convergence
from tunedb.query.description import RecordDescription, WorkloadDescription, describe
from tunedb.query.ranking import ranked
from tunedb.query.target_groups import target_groups
from tunedb.records import Outcome

NEAR_TARGET = canonical_target('{"kind":"llvm","mcpu":"znver5","num-cores":8}')


@pytest.fixture(params=["memory", "delta"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store("memory:" if request.param == "memory" else tmp_path / "store") as opened:
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


def test_best_is_never_wrong_where_anything_else_is_known(store: Store) -> None:
    name = TARGET.target_id
    store.append_verdicts([verdict(0, 0.3), verdict(1), verdict(0, 0.3, target_id=OTHER_TARGET.target_id)])
    found = best(store, WORKLOAD.workload_id, name, top=2)
    assert [(row.trial, answers.verified(row.verdict)) for row in found] == [(trial(1), True), (trial(2), None)]
    assert [row.ranked.tied for row in found] == [True, False]
    assert [row.trial for row in best(store, WORKLOAD.workload_id, name)] == [trial(1)]
    everywhere = best(store, WORKLOAD.workload_id)
    assert [(row.target, answers.verified(row.verdict)) for row in everywhere] == [
        (TARGET, True),
        (OTHER_TARGET, False),
    ]
    store.append_verdicts([verdict(number, 0.3, day=1) for number in (1, 2)])
    (found,) = best(store, WORKLOAD.workload_id, name)
    assert found.trial == trial(0)
    assert answers.best([found])["verified"] is False


def test_a_record_tells_its_verdict(store: Store) -> None:
    store.append_verdicts([verdict(0, float("inf"))])
    workload = describe(store, WORKLOAD.workload_id)
    assert isinstance(workload, WorkloadDescription)
    assert [row["verified"] for row in answers.workload_description(workload)["results"]] == [None, False]
    for number, verified in ((0, False), (1, None)):
        record = describe(store, trial(number).trial_id)
        assert isinstance(record, RecordDescription)
        document = answers.record_description(record, None)
        assert document["verified"] is verified
        assert (document["verdict"] is None) is (verified is None)


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
    assert [(step.number, step.secs, step.median_secs) for step in history.improvements] == [(1, 1e-3, 1e-3)]
    assert (history.num_trials, history.num_failed, history.best_after(0)) == (4, 1, None)
    assert len(convergence(store, WORKLOAD.workload_id).histories) == 2


def test_one_schedule_has_one_latency_in_every_answer(store: Store) -> None:
    """`best`, `compare` and `history` agree to the last digit, whatever the order of medians and minima."""
    draw = random.Random(7)
    flushed = conditions_of(caches="flushed")
    store.append(
        [
            trial(
                draw.randint(0, 24),
                run_secs=tuple(draw.uniform(1e-4, 9e-4) for _ in range(draw.randint(1, 4))),
                conditions=draw.choice(["{}", flushed]),
                position=number,
            )
            for number in range(300)
        ]
    )
    compared = {row.conditions: row for row in compare(store, [WORKLOAD.workload_id]) if row.target == TARGET}
    for conditions in ("{}", flushed):
        fastest = best(store, WORKLOAD.workload_id, TARGET.target_id, 99, conditions)
        secs = [row.ranked.estimate.secs for row in fastest]
        assert secs == sorted(secs)
        every = ranked(store.trials(WORKLOAD.workload_id, TARGET.target_id, Outcome.OK, conditions))
        assert secs == [row.estimate.secs for row in every]
        assert compared[conditions].estimate_secs == secs[0]
        assert compared[conditions].best_median_secs == fastest[0].trial.run_secs_median
        assert compared[conditions].record_id == fastest[0].trial.trial_id
        histories = convergence(store, WORKLOAD.workload_id, TARGET.target_id).histories
        (history,) = (row for row in histories if row.conditions == conditions)
        assert history.best_after(history.num_trials) == secs[0]
        (first,) = best(store, WORKLOAD.workload_id, TARGET.target_id, 1, conditions)
        assert (first.trial, first.ranked.estimate) == (fastest[0].trial, fastest[0].ranked.estimate)


def test_near_equal_targets_stand_together(store: Store) -> None:
    store.append([trial(number, target_id=NEAR_TARGET.target_id) for number in range(9)])
    found = target_groups(store)
    assert [row.summary.target.arch for row in found] == ["znver5", "znver5", "skylake-avx512"]
    assert found[0].near_equal == (found[1].summary.target,)
    assert {row.differs_in for row in found} == {"num-cores=1", "num-cores=8", ""}
    assert found[0].calibration.flop_per_sec is None
