"""Trials as schedules, modules and scripts."""

from __future__ import annotations

import dataclasses

import pytest

from tests.tunedb.metaschedule.recorded import LOGS
from tunedb import Store
from tunedb.errors import BadInputError
from tunedb.records import Trace

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


def test_a_trial_as_text_and_as_module(store: Store) -> None:
    from tunedb.metaschedule.replay import scheduled_module, script

    (summary,) = (row for row in store.workloads() if row.name.startswith("conv2d"))
    (trial,) = store.best(summary.workload_id)
    row = store.module(trial.module_id)
    text = script(row, trial)
    assert "T.vectorized" in text
    assert scheduled_module(row, trial).script() == text
    assert scheduled_module(row, trial, trusted=True).script() == text


def test_what_does_not_replay_is_bad_input(store: Store) -> None:
    from tunedb.metaschedule.replay import load_module, scheduled_module, script

    (summary,) = (row for row in store.workloads() if row.name.startswith("matmul"))
    (trial,) = store.best(summary.workload_id, limit=1)
    row = store.module(trial.module_id)
    other_block = Trace(trial.trace.instructions.replace(b'"Z"', b'"nothing"'), trial.trace.decisions)
    for trace in (other_block, Trace(b"null", b"[]"), Trace(trial.trace.instructions, b"[[4,[3,3]]]")):
        broken = dataclasses.replace(trial, trace=trace)
        for ask in (scheduled_module, script):
            with pytest.raises(BadInputError):
                ask(row, broken)
    with pytest.raises(BadInputError, match=r"0\.13"):
        load_module(dataclasses.replace(row, tvm_version="0.13.dev0"))
    with pytest.raises(BadInputError, match="hash"):
        load_module(dataclasses.replace(row, module_json=row.module_json + b" "))
    assert scheduled_module(row, trial)  # the child answers still
