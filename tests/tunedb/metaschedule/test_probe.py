"""Records are replayed in a child process before they are trusted."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.tunedb.metaschedule.recorded import LOGS
from tunedb import Store
from tunedb.errors import BadInputError
from tunedb.records import Trace

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


def test_what_crashes_tvm_crashes_only_the_child(store: Store) -> None:
    from tunedb.metaschedule.replay import script

    (summary,) = (row for row in store.workloads() if row.name.startswith("matmul"))
    best, second = store.best(summary.workload_id, limit=2)
    row = store.module(best.module_id)
    assert script(row, best)
    decisions = json.loads(best.trace.decisions)
    decisions[0][1] = [0, 0, 0, 0]  # divides by zero inside TVM
    crash = dataclasses.replace(best, trace=Trace(best.trace.instructions, json.dumps(decisions).encode()))
    with pytest.raises(BadInputError, match=r"ended the process \(signal"):
        script(row, crash)
    assert script(row, second)
