"""AutoTVM's logs, of both forms, become trials."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.tunedb.logfiles import (
    ENTITY,
    autotvm,
    autotvm_first_form,
    store_of,
)
from tunedb.identity import canonical_target


def test_an_autotvm_record(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, "# made by hand", autotvm(), "")
    assert bad == []
    (trial,) = store.trials()
    assert trial.run_secs == (1e-4,)
    assert trial.measured_at == datetime(2018, 10, 19, 18, 12, 11, 250000, UTC)
    assert trial.position == 1
    assert json.loads(trial.trace.instructions) == ["autotvm", "conv2d_NCHWc.x86"]
    assert json.loads(trial.trace.decisions) == ENTITY
    (workload,) = store.workloads()
    assert workload.name == "conv2d_NCHWc.x86 1x3x224x224 64x3x7x7 2x2 float32"
    (target,) = store.targets()
    assert target == canonical_target('{"kind":"llvm","mcpu":"skylake-avx512"}')
    assert [source.format for source in store.sources()] == ["autotvm"]


def test_both_forms_of_autotvm_are_one_trial(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, autotvm(), autotvm_first_form())
    assert bad == []
    assert len(list(store.trials())) == 1
