"""What comes with tunedb: it is there, it is whole, it is used first, and it is made again bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from costmodels.features import DEFAULT, FAMILIES
from costmodels.registry.choose import load_model
from costmodels.shipped import (
    FOLDER,
    MODEL,
    TRIALS,
    shipped_code,
    shipped_model_folder,
    shipped_pools,
    shipped_schedules,
)

LOGS = Path(__file__).parents[3] / "data" / "metaschedule" / "x86-64-v3-1core.tar.xz"


def test_there_are_many_trials_of_many_workloads():
    pools = shipped_pools("llvm")

    assert sum(map(len, pools)) >= 20_000
    assert len({pool.workload_id for pool in pools}) >= 120
    assert len({pool.target_id for pool in pools}) == 4
    assert all(pool.features.shape == (len(pool), len(DEFAULT.names())) for pool in pools)
    assert all(np.isfinite(pool.features).all() and pool.scores.max() <= 1 for pool in pools)
    assert shipped_pools("cuda") == ()


def test_the_machine_code_of_many_of_them_is_known():
    code = shipped_code("llvm")

    assert len(code) >= 10_000
    assert all(len(row) == len(FAMILIES["machine_code"].names()) and np.isfinite(row).all() for row in code.values())
    held = [pool for pool in shipped_pools("llvm") if not np.isnan(pool.code).all()]
    assert len({pool.workload_id for pool in held}) >= 120
    assert shipped_code("cuda") == {}


def test_the_best_schedules_ship_by_workload_and_target():
    schedules = shipped_schedules("llvm")
    pools = shipped_pools("llvm")
    assert {(row.workload_id, row.target.target_id) for row in schedules} == {
        (pool.workload_id, pool.target_id) for pool in pools
    }
    assert all(1 <= len(row.traces) <= 4 for row in schedules)
    assert all(json.loads(trace.to_json()) for row in schedules[:20] for trace in row.traces)
    assert shipped_schedules("cuda") == ()


def test_an_empty_store_gets_the_shipped_model(store, target):
    loaded = load_model(store, target.target_id, kind="llvm")

    assert loaded.is_shipped
    assert "ships with tunedb" in loaded.describe()
    pool = shipped_pools("llvm")[0]
    assert np.isfinite(loaded.model.predict(pool.features[:8]).mean).all()
    compiled = next(pool for pool in shipped_pools("llvm") if np.isfinite(pool.code).any())
    second = loaded.model.predict_compiled(compiled.features, compiled.code).mean
    assert ((second != loaded.model.predict(compiled.features).mean) == np.isfinite(compiled.code[:, 0])).all()
    assert load_model(store, target.target_id, kind="cuda") is None
    assert shipped_model_folder(None) is None


@pytest.mark.slow
@pytest.mark.tvm
def test_the_same_logs_give_the_same_bytes(tmp_path):
    from costmodels.build_prior import build

    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build([LOGS], tmp_path / name, workers=2)
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second
    assert {path.name for path in first} >= {TRIALS, "manifest.json", "member-0.txt"}
    assert (FOLDER / MODEL).is_dir()
