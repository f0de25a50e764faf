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
from tunedb.identity import canonical_target
from tunedb.ingest.formats.legacy import target_of_text
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
        autotvm(-1.0),
        autotvm()[:-9],
        autotvm(result=[[], 0, 1, 1]),
        autotvm(2e-4),
    )
    store, bad = store_of(tmp_path, *lines)
    assert [line for line, _ in bad] == [2, 3, 4, 5, 6, 7, 8]
    assert "has 'mcpu' where an option was expected" in bad[3][1]
    assert len(list(store.trials())) == 2


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("cuda -model=1080ti", {"kind": "cuda", "model": "1080ti"}),
        ("llvm -keys=cpu -mattr=+neon,+dotprod", {"kind": "llvm", "keys": ["cpu"], "mattr": ["+neon", "+dotprod"]}),
        (
            "cuda -keys=cuda,gpu -max_num_threads=1024",
            {"kind": "cuda", "keys": ["cuda", "gpu"], "max_num_threads": 1024},
        ),
        ("llvm -link-params=0", {"kind": "llvm", "link-params": False}),
        ('{"kind": "llvm", "mcpu": "core-avx2"}', {"kind": "llvm", "mcpu": "core-avx2"}),
    ],
)
def test_targets_of_command_lines(text: str, fields: dict[str, object]) -> None:
    assert target_of_text(text) == canonical_target(fields)


@pytest.mark.parametrize(("line", "what"), [(autotvm(), "an AutoTVM configuration"), (ansor(), "an Ansor schedule")])
def test_their_schedules_are_not_taken_for_traces(tmp_path: Path, line: str, what: str) -> None:
    store, _ = store_of(tmp_path, line)
    (trial,) = store.trials()
    with pytest.raises(BadInputError, match=what):
        validated_trace(trial.trace)
    with pytest.raises(NotFoundError, match="its log did not have it"):
        store.module(trial.module_id)
