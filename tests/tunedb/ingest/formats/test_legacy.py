"""What logs of AutoTVM and Ansor have in common: causes of failure, targets, bad lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tunedb.logfiles import (
    ansor,
    autotvm,
    store_of,
)
from tunedb.errors import BadInputError, NotFoundError
from tunedb.records import Outcome
from tunedb.traces import validated_trace


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (1, Outcome.COMPILE_ERROR),
        (4, Outcome.RUN_ERROR),
        (5, Outcome.WRONG_RESULT),
        (6, Outcome.COMPILE_TIMEOUT),
        (7, Outcome.RUN_TIMEOUT),
        (8, Outcome.FAILED),
    ],
)
@pytest.mark.parametrize("record", [autotvm, ansor])
def test_causes_of_failure(tmp_path: Path, record: Callable[..., str], number: int, outcome: Outcome) -> None:
    store, bad = store_of(tmp_path, record(1e9, error=number))
    assert bad == []
    (trial,) = store.trials()
    assert (trial.outcome, trial.run_secs) == (outcome, ())
    assert trial.error


def test_a_failure_without_a_number(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, autotvm(1e9))
    assert [trial.outcome for trial in store.trials()] == [Outcome.FAILED]


def test_bad_lines_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = (
        autotvm(),
        '{"input": []}',
        autotvm(config={}),
        autotvm(result=[]),
        autotvm(input=["llvm mcpu", "t", [], {}]),
        autotvm(result=[[0.1, None], 0, 1, 1]),
        autotvm()[:-9],
        autotvm(result=[[], 0, 1, 1]),
        autotvm(2e-4),
    )
    store, bad = store_of(tmp_path, *lines)
    assert [line for line, _ in bad] == [2, 3, 4, 5, 6, 7, 8]
    assert "has 'mcpu' where an option was expected" in bad[3][1]
    assert len(list(store.trials())) == 2


@pytest.mark.parametrize("record", [autotvm, ansor])
@pytest.mark.parametrize("secs", [0.0, -1.0, 1e-320, float("nan"), float("inf"), -float("inf")])
def test_a_run_time_that_no_machine_has_fails_its_trial(
    tmp_path: Path, record: Callable[..., str], secs: float
) -> None:
    store, bad = store_of(tmp_path, record(secs), record(2e-4))
    assert bad == []
    (failed,) = store.trials(outcome=Outcome.FAILED)
    assert f"a run time of {secs} seconds" in failed.error
    assert [trial.run_secs[0] for trial in store.best(failed.workload_id)] == [2e-4]


def test_no_number_outside_of_the_results_is_lost_on_the_way(tmp_path: Path) -> None:
    _, bad = store_of(tmp_path, autotvm(float("inf")).replace("224", "NaN", 1))
    assert bad == [(1, "not a record: in 'input': nan is no number there")]


@pytest.mark.parametrize(("line", "what"), [(autotvm(), "an AutoTVM configuration"), (ansor(), "an Ansor schedule")])
def test_their_schedules_are_not_taken_for_traces(tmp_path: Path, line: str, what: str) -> None:
    store, _ = store_of(tmp_path, line)
    (trial,) = store.trials()
    with pytest.raises(BadInputError, match=what):
        validated_trace(trial.trace)
    with pytest.raises(NotFoundError, match="its log did not have it"):
        store.module(trial.module_id)
