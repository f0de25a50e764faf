"""One run of one arm on one workload with one seed, in a process of its own: search_live.py starts it.

Prints one JSON line: seconds from the start of the process to each finished trial, its latency and its trace.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from search.corpus import operators
from search.measure import zygote
from search.targets import local_target
from search.task import Task
from search.tune import tune
from tunedb.metaschedule.replay import recorded_trace, target_to_tvm, workload_from_module
from tunedb.query.estimates import estimate
from tunedb.store.memory import MemoryStore
from tunedb.store.opening import open_store

STARTED = psutil.Process(os.getpid()).create_time()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    for name in ("--arm", "--operator", "--sizes", "--memory"):
        parser.add_argument(name, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    if chosen.arm != "stock":
        zygote.prepare()  # as `tunedb tune` does
    import tvm

    sizes = json.loads(chosen.sizes)
    task = Task("main", tvm.IRModule({"main": operators.prim_func(chosen.operator, sizes)}))
    if chosen.arm == "stock":
        found = {"trials": stock(task, chosen.trials, chosen.seed)}
    else:
        found = ours(task, chosen.arm, chosen.operator, Path(chosen.memory), chosen.trials, chosen.seed)
    sys.stdout.write(json.dumps({**found, "elapsed_secs": time.time() - STARTED}) + "\n")


def ours(task: Task, arm: str, operator: str, memory: Path, trials: int, seed: int) -> dict[str, Any]:
    """All arms that measure on our device."""
    target = local_target(num_cores=1)
    workload_id = workload_from_module(task.mod)[0].workload_id
    options: dict[str, Any] = {"strategy": "bo"}
    store: Any = MemoryStore()
    if arm in ("warm", "warm-16", "predicted"):
        store = Remembering(open_store(memory))
        options["batch_size"] = 16 if arm == "warm-16" else None
        assert workload_id not in {row.workload_id for row in store.workloads()}, "the prior has seen this workload"
    elif arm == "family-out":
        options["model"] = model_without(operator, memory)
    elif arm == "cold":
        options["use_prior"] = False
    elif arm == "es+model":
        from costmodels.registry.choose import load_model

        loaded = load_model(store, target.target_id, kind=target.kind)
        assert loaded is not None
        options = {"strategy": "evolutionary", "model": loaded.model}
    else:
        options["strategy"] = strategy_of(arm)
    secs: list[float] = []
    report = tune(
        [task],
        store=store,
        target=target,
        trials=0 if arm == "predicted" else trials,
        check=False,
        seed=seed,
        on_trial=lambda _: secs.append(time.time() - STARTED),
        **options,
    )
    (found,) = report.tasks
    if found.predicted is not None:
        trace = json.loads(found.predicted.to_json())
        return {"trials": [{"at": time.time() - STARTED, "secs": None, "trace": trace}]}
    measured = store.tuned if isinstance(store, Remembering) else list(store.trials())
    measured = [trial for trial in measured if trial.workload_id == workload_id]  # without the reference kernels'
    rows = [
        {
            "at": at,
            "secs": estimate([trial.run_secs]).secs if trial.run_secs else None,
            "trace": json.loads(trial.trace.to_json()),
        }
        for at, trial in zip(secs, sorted(measured, key=lambda trial: trial.position), strict=True)
    ]
    return {"trials": rows, "strategy_secs": report.strategy_secs, "drift": report.drift}


def strategy_of(arm: str) -> Any:
    """A name of tunedb's, or a baseline."""
    if arm == "tpe":
        from baselines.tpe import Tpe

        return Tpe
    if arm == "index-bo":
        from baselines.index_bo import IndexBayesianOptimization

        return IndexBayesianOptimization
    return {"es": "evolutionary", "es-1000": "evolutionary"}.get(arm, arm)


class Remembering:
    """A store that is read as it is, and whose additions are kept apart: runs must not learn from one another."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.tuned: list[Any] = []

    def append(self, trials: Any, **_: Any) -> None:
        """Keeps trials here."""
        self.tuned += trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def model_without(operator: str, memory: Path) -> Any:
    """The default model, learned from the bundled trials but for the family of an operator; kept for the next run."""
    from costmodels.dataset import dataset_of
    from costmodels.kinds import of_kind
    from costmodels.models.lightgbm import LightGBMModel

    family = FAMILIES[operator]
    folder = memory.with_name(f"model-without-{family}")
    if not (folder / "ensemble.json").is_file():
        pools = [pool for pool in of_kind("llvm").prior.pools if family not in pool.family]
        assert len(pools) < len(of_kind("llvm").prior.pools)
        model = LightGBMModel()
        model.fit(dataset_of(pools), seed=0)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in model.save().items():
            (folder / name).write_bytes(content)
    return LightGBMModel.load({path.name: path.read_bytes() for path in folder.iterdir()})


# What to leave out for an operator: pools whose names have this. A convolution leaves out all convolutions.
FAMILIES = {
    "conv2d_nhwc": "conv",
    "depthwise_conv2d_nhwc": "conv",
    "conv1d_nlc": "conv",
    "conv2d_transpose_nhwc": "conv",
    "conv3d_ndhwc": "conv",
    "batch_matmul_nkkm": "matmul",
    "transpose_batch_matmul": "matmul",
    "softmax_mn": "softmax",
}


def stock(task: Task, trials: int, seed: int) -> list[dict[str, Any]]:
    """MetaSchedule as it comes: its own builder, runner, database and cost model."""
    from tvm.ir.utils import derived_object
    from tvm.s_tir import meta_schedule as ms

    found: list[dict[str, Any]] = []
    lock = threading.Lock()

    @derived_object
    class Watch(ms.measure_callback.PyMeasureCallback):
        def apply(self, scheduler: Any, task_id: int, candidates: Any, builds: Any, results: Any) -> None:
            with lock:
                for candidate, result in zip(candidates, results, strict=True):
                    good = result.error_msg is None and result.run_secs
                    trace = json.loads(recorded_trace(candidate.sch.trace).to_json())
                    secs = min(float(figure) for figure in result.run_secs) if good else None
                    found.append({"at": time.time() - STARTED, "secs": secs, "trace": trace})

    with tempfile.TemporaryDirectory() as work_dir:
        ms.tune_tir(
            task.mod,
            target_to_tvm(local_target(num_cores=1)),
            work_dir,
            max_trials_global=trials,
            num_trials_per_iter=64,
            seed=seed + 1,
            num_tuning_cores=1,
            measure_callbacks=[
                ms.measure_callback.AddToDatabase(),
                Watch(),
                ms.measure_callback.RemoveBuildArtifact(),
                ms.measure_callback.UpdateCostModel(),
            ],
        )
    return found


if __name__ == "__main__":
    main()
