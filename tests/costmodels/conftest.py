"""Made-up datasets, a store in memory whose files are in a folder, and trials of a small matmul."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from costmodels.dataset import Dataset
from costmodels.features import loop_nest
from tunedb.identity import content_hash, program_from_graph
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Hardware, Module, Source, Target, Trace, Trial
from tunedb.store.artifacts import Artifacts, FolderArtifacts
from tunedb.store.memory import MemoryStore

TARGET = Target("a" * 64, '{"keys":["cpu"],"kind":"llvm","mcpu":"znver5","num-cores":1}', "llvm", "znver5", 1)


class FolderStore(MemoryStore):
    """Trials in memory, models and features on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = FolderArtifacts(folder)

    @property
    @override
    def artifacts(self) -> Artifacts:
        return self._folder


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def target() -> Target:
    return TARGET


@pytest.fixture(scope="session")
def make_made_up_dataset() -> Callable[..., Dataset]:
    def make(groups: int = 6, size: int = 60, seed: int = 0) -> Dataset:
        """Log cost is linear in three of ten features, with an offset per workload; the other features are zero."""
        rng = np.random.default_rng(seed)
        features = np.zeros((groups * size, len(loop_nest.names())))
        features[:, :100:10] = rng.normal(size=features[:, :100:10].shape)
        costs = features[:, 0] + 0.5 * features[:, 70] + 0.25 * np.abs(features[:, 90])
        group = np.repeat(np.arange(groups), size)
        for g in range(groups):
            costs[group == g] -= costs[group == g].min()
        return Dataset(
            features,
            np.exp(-costs),
            group,
            tuple(f"w{g}" for g in range(groups)),
            tuple(f"t{i}" for i in range(groups * size)),
        )

    return make


@pytest.fixture(scope="session")
def matmul() -> tuple[Module, list[Trial]]:
    """A matmul and 24 trials of traces sampled from its design space, with made-up run times."""
    from tunedb.metaschedule.intrinsics import register_for

    register_for("llvm")
    import tvm
    from tvm import te
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.schedule import Schedule
    from tvm.s_tir.schedule import Trace as TvmTrace

    a, b = te.placeholder((64, 64), name="A"), te.placeholder((64, 64), name="B")
    k = te.reduce_axis((0, 64), name="k")
    c = te.compute((64, 64), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    module = tvm.IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})
    context = ms.TuneContext(
        mod=module, target=tvm.target.Target(json.loads(TARGET.text)), space_generator="post-order-apply", num_threads=1
    )
    space = context.generate_design_space()[-1]
    _, recorded = workload_from_module(module)
    trials = []
    for i in range(24):
        sampled = Schedule(module, seed=i + 1)
        TvmTrace(space.trace.insts, {}).apply_to_schedule(sampled, remove_postproc=True)
        instructions, decisions = ms.database.TuningRecord(sampled.trace, ms.database.Workload(module)).as_json()[0]
        trace = Trace(json.dumps(instructions).encode(), json.dumps(decisions).encode())
        trials.append(
            Trial(
                f"{i:064x}",
                recorded.workload_id,
                recorded.module_id,
                TARGET.target_id,
                "h" * 64,
                "s" * 64,
                i,
                trace,
                b"[]",
                (1e-6 * (i + 1),),
            )
        )
    return recorded, trials


@pytest.fixture
def matmul_store(store: FolderStore, matmul: tuple[Module, list[Trial]]) -> FolderStore:
    """The trials of `matmul` four times over, as four workloads."""
    module, trials = matmul
    for n in range(4):
        module_json = module.module_json + b" " * n
        ids = {"workload_id": f"w{n}", "module_id": content_hash("module", module_json)}
        workload, _ = program_from_graph(module.module_json, module.structural_hash)
        like = dataclasses.replace(module, module_json=module_json, **ids)
        copies = [dataclasses.replace(t, trial_id=f"{n}-{t.trial_id}", **ids) for t in trials]
        store.append(
            copies,
            workloads=[dataclasses.replace(workload, workload_id=f"w{n}")],
            modules=[like],
            targets=[TARGET],
            hardware=[Hardware("h" * 64, "test machine")],
            sources=[Source("s" * 64, "test", "test")],
        )
    return store
