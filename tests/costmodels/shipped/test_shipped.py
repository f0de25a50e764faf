"""The bundled prior: it is there, it is whole, it is used first, and it is made again bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from costmodels.features import FAMILIES, loop_nest
from costmodels.kinds import of_kind
from costmodels.registry.choose import load_model
from costmodels.registry.manifest import packed
from costmodels.shipped import FOLDER, MODEL, TRIALS
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore

PRIOR = of_kind("llvm").prior
LOGS = Path(__file__).parents[3] / "data" / "metaschedule" / "x86-64-v3-1core.tar.xz"


def test_there_are_many_trials_of_many_workloads():
    pools = PRIOR.pools

    assert sum(map(len, pools)) >= 20_000
    assert len({pool.workload_id for pool in pools}) >= 120
    assert len({pool.target_id for pool in pools}) == 5
    assert all(pool.features.shape == (len(pool), len(loop_nest.names())) for pool in pools)
    assert all(np.isfinite(pool.features).all() and pool.scores.max() <= 1 for pool in pools)
    assert of_kind("cuda").prior.pools == ()


def test_the_machine_code_of_many_of_them_is_known():
    code = PRIOR.code_rows

    assert len(code) >= 10_000
    assert all(len(row) == len(FAMILIES["machine_code"].names()) and np.isfinite(row).all() for row in code.values())
    held = [pool for pool in PRIOR.pools if not np.isnan(pool.code).all()]
    assert len({pool.workload_id for pool in held}) >= 120
    assert of_kind("cuda").prior.code_rows == {}


def test_the_best_schedules_are_bundled_by_workload_and_target():
    schedules = PRIOR.schedules
    pools = PRIOR.pools
    assert {(row.workload_id, row.target.target_id) for row in schedules} == {
        (pool.workload_id, pool.target_id) for pool in pools
    }
    assert all(1 <= len(row.traces) <= 4 for row in schedules)
    named = {(row.family, row.epilogue, row.extents): row.name for row in schedules}
    assert named["conv2d", "", (1, 112, 112, 64, 7, 7, 3)] == "conv2d 1x112x112x64x7x7x3 float32"
    assert {row.epilogue for row in schedules if row.family == "conv2d"} == {"", "relu"}
    families = {pool.workload_id: pool.family for pool in pools}
    assert all(
        families[row.workload_id] == (f"{row.family}+{row.epilogue}" if row.epilogue else row.family)
        for row in schedules
    )
    assert all(json.loads(trace.to_json()) for row in schedules[:20] for trace in row.traces)
    assert of_kind("cuda").prior.schedules == ()


def test_workloads_are_described_as_in_a_store():
    with MemoryStore() as opened:
        ingest(opened, [LOGS])
        known = {row.workload_id: row for row in opened.workloads()}
    found = [row for row in PRIOR.schedules if row.workload_id in known]

    assert len({row.workload_id for row in found}) == len(known) == 14
    for row in found:
        workload = known[row.workload_id]
        assert (row.name, row.family, row.epilogue) == (workload.name, workload.family, workload.epilogue)
        assert row.extents == workload.extents


def test_an_empty_store_gets_the_bundled_model(store, target):
    loaded = load_model(store, target.target_id, kind="llvm")

    assert loaded.is_bundled
    assert "the bundled prior" in loaded.describe()
    pool = PRIOR.pools[0]
    assert np.isfinite(loaded.model.predict(pool.features[:8]).mean).all()
    compiled = next(pool for pool in PRIOR.pools if np.isfinite(pool.code).any())
    second = loaded.model.predict_compiled(compiled.features, compiled.code).mean
    assert ((second != loaded.model.predict(compiled.features).mean) == np.isfinite(compiled.code[:, 0])).all()
    assert load_model(store, target.target_id, kind="cuda") is None
    assert of_kind(None).prior.model_folder is None


def test_the_bundled_model_is_packed_as_it_was(store, target):
    loaded = load_model(store, target.target_id, kind="llvm")
    made = loaded.manifest

    again, _ = packed(
        loaded.model,
        trained_on=made.trained_on,
        seed=made.seed,
        created_at=made.created_at,
        metrics=made.metrics,
        split=made.split,
    )

    assert (again.name, again.hyper_parameters, again.files) == (made.name, made.hyper_parameters, made.files)
    assert (FOLDER / MODEL / "manifest.json").read_bytes() == made.encoded()


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
    assert {path.name for path in first} >= {TRIALS, "manifest.json", "member-0.txt.gz"}
    assert (FOLDER / MODEL).is_dir()
