"""What the fixed configuration is worth on real measurements, each workload unseen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from costmodels import metrics
from costmodels.dataset import Dataset, make_dataset
from costmodels.featurise import Job, featurise
from costmodels.models.lightgbm import LightGBMModel
from costmodels.training import spread
from tunedb.records import Outcome, Target, Trace, Trial, Workload

LOGS = Path(__file__).parents[2].parent / "shared/logs/metaschedule/znver5-1core"
WORKLOADS = ("C1D-2", "C2D-1", "C2D-2", "C2D-3", "DEP-1", "GMM-1", "GMM-2", "TBG-0")

pytestmark = [pytest.mark.tvm, pytest.mark.skipif(not LOGS.is_dir(), reason="the shared logs are not here")]


def read(name: str, target: Target) -> Job:
    """48 of a log's trials, spread over its latencies."""
    structural_hash, framed = json.loads((LOGS / name / "database_workload.json").read_text())
    module = base64.b64decode(framed)[8:]
    release = json.loads(module)["metadata"]["tvm_version"]
    workload = Workload(name, f"module of {name}", structural_hash, name, "{}", release, module)
    trials = []
    for i, line in enumerate((LOGS / name / "database_tuning_record.json").read_text().splitlines()):
        _, ((instructions, decisions), run_secs, _, _) = json.loads(line)
        trace = Trace(json.dumps(instructions).encode(), json.dumps(decisions).encode())
        if max(run_secs) < 1e9:
            trial_id = f"{name}-{i}"
            trials.append(
                Trial(trial_id, name, workload.module_id, target.target_id, "h", "s", i, trace, b"[]", tuple(run_secs))
            )
    assert all(trial.outcome is Outcome.OK for trial in trials)
    return Job(workload, target, spread(trials, 48))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    text = '{"keys":["cpu"],"kind":"llvm","mcpu":"znver5","num-cores":1}'
    jobs = [read(name, Target("t", text, "llvm", "znver5", 1)) for name in WORKLOADS]
    done = featurise(jobs, workers=2)
    assert not done.causes
    return make_dataset([trial for job in jobs for trial in job.trials], done.rows)


def held_out_top5(dataset: Dataset) -> float:
    held_out = LightGBMModel(members=len(WORKLOADS), num_trees=100).fit(dataset, seed=0)
    return metrics.summary(dataset.scores, held_out.mean, dataset.groups)["top5"]


def test_beats_chance_on_unseen_workloads_by_a_clear_margin(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)
    chance = [metrics.summary(dataset.scores, rng.normal(size=len(dataset)), dataset.groups)["top5"] for _ in range(50)]
    shuffled = dataset.scores.copy()
    for group in np.unique(dataset.groups):
        rows = np.flatnonzero(dataset.groups == group)
        shuffled[rows] = rng.permutation(shuffled[rows])
    learned_nothing = LightGBMModel(members=len(WORKLOADS), num_trees=100).fit(
        Dataset(dataset.features, shuffled, dataset.groups, dataset.workload_ids, dataset.trial_ids), seed=0
    )

    bar = float(np.mean(chance)) + 0.15
    found = held_out_top5(dataset)
    without = metrics.summary(dataset.scores, learned_nothing.mean, dataset.groups)["top5"]
    assert found > bar
    assert without < bar
