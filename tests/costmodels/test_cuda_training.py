"""Cost models for GPUs are trained from a store with CUDA records.

The latencies are synthetic: no GPU ran anything. They are a made-up function of each program's threads, there so that
there is something to learn, and say nothing of any GPU.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodels.features import per_store
from costmodels.registry.choose import load_model
from costmodels.training import TrainOptions, train
from tunedb import identity
from tunedb.machine.hardware import hardware_named
from tunedb.records import Target, Trial
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

pytestmark = pytest.mark.tvm

TARGET = identity.canonical_target(
    '{"kind":"cuda","arch":"sm_90a","max_num_threads":1024,"max_threads_per_block":1024,'
    '"max_shared_memory_per_block":49152,"registers_per_block":65536,"thread_warp_size":32}'
)
OTHER = identity.canonical_target(TARGET.text.replace("sm_90a", "sm_86"))
SOURCE = identity.source("synthetic", "test")
HARDWARE = hardware_named("no GPU at all")
THREADS = (4, 8, 32)


def scheduled(rows: int, columns: int, threads: tuple[int, int], step: int) -> tuple[Any, Any]:
    """A product whose rows and columns are split among threads, and its schedule."""
    from tvm.ir import IRModule
    from tvm.s_tir import Schedule

    from search.corpus.operators import prim_func

    mod = IRModule({"main": prim_func("matmul", (rows, columns, 64)).with_attr("global_symbol", "main")})
    schedule = Schedule(mod)
    block = schedule.get_sblock("C")
    i, j, k = schedule.get_loops(block)
    outer_i, inner_i = schedule.split(i, [None, threads[0]])
    outer_j, inner_j = schedule.split(j, [None, threads[1]])
    outer_k, inner_k = schedule.split(k, [None, step])
    schedule.reorder(outer_i, outer_j, inner_i, inner_j, outer_k, inner_k)
    for loop, axis in (
        (outer_i, "blockIdx.x"),
        (outer_j, "blockIdx.y"),
        (inner_i, "threadIdx.y"),
        (inner_j, "threadIdx.x"),
    ):
        schedule.bind(loop, axis)
    return mod, schedule


def synthetic_secs(threads: tuple[int, int], step: int, size: int) -> float:
    """Made up: more threads in a row are less, and so is a longer step."""
    return 1e-9 * size / threads[1] ** 0.7 / threads[0] ** 0.2 * (1.2 - 0.02 * step)


def filled(store: Store, target: Target) -> list[Trial]:
    from tunedb.metaschedule.replay import trial_from_measurement, workload_from_module

    trials: list[Trial] = []
    for rows, columns in ((64, 64), (64, 128), (128, 64), (128, 128)):
        found = []
        for threads, step in itertools.product(itertools.product(THREADS, THREADS[1:]), (2, 4, 8)):
            mod, schedule = scheduled(rows, columns, threads, step)
            workload, module = workload_from_module(mod)
            secs = synthetic_secs(threads, step, rows * columns)
            found.append(
                trial_from_measurement(
                    module,
                    target,
                    HARDWARE,
                    SOURCE,
                    position=len(trials) + len(found),
                    trace=schedule.trace,
                    args_info=(),
                    run_secs=(secs, secs),
                    measured_at=None,
                )
            )
        store.append(
            found, workloads=[workload], modules=[module], targets=[target], hardware=[HARDWARE], sources=[SOURCE]
        )
        trials += found
    return trials


def test_a_model_of_an_architecture_is_trained_saved_and_found_again(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    filled(store, TARGET)
    (made,) = train(store, options=TrainOptions(bundled=False, seed=1)).trained
    assert made.manifest.trained_on.num_trials >= 64
    assert made.manifest.metrics["spearman"] > 0.5, "there is something to learn in what was made up"
    assert load_model(store, TARGET.target_id, kind="cuda") is not None
    near = load_model(store, OTHER.target_id, kind="cuda")
    assert near is not None, "another architecture starts from it"


def test_threads_blocks_and_accesses_are_among_the_features() -> None:
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule import intrinsics
    from tunedb.metaschedule.replay import target_to_tvm

    intrinsics.register_for("cuda", ("cuda", "gpu"))
    mod, schedule = scheduled(64, 64, (8, 32), 2)
    context = ms.TuneContext(mod=mod, target=target_to_tvm(TARGET), num_threads=1)
    (row,) = per_store.extract([schedule], context)
    told = dict(zip(per_store.names(), np.expm1(row), strict=True))
    assert [round(2.0 ** told[f"max_thread_{axis}"] - 1) for axis in "xy"] == [32, 8]
    assert [round(2.0 ** told[f"max_block_{axis}"] - 1) for axis in "xy"] == [8, 2]
    assert told["max_is_gpu"] == pytest.approx(1.0)
