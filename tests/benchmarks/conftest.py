"""A small matrix product as a task for tuners."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest


@pytest.fixture
def make_task() -> Any:
    """Makes the task anew for each tuner, with a seed."""
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from search.contract import TunerTask
    from search.corpus import operators
    from search.space.spaces import DesignSpaces
    from search.targets import local_target
    from tunedb.metaschedule import intrinsics
    from tunedb.metaschedule.replay import target_to_tvm, workload_from_module

    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    context = ms.TuneContext(
        mod=tvm.IRModule({"main": operators.prim_func("matmul", [64, 64, 64])}),
        target=target_to_tvm(target),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )

    def made(seed: int = 1, trials: int = 6) -> TunerTask:
        spaces = partial(DesignSpaces, context, context.generate_design_space())
        workload, _ = workload_from_module(context.mod)
        return TunerTask(workload, spaces, trials=trials, batch_size=3, seed=seed)

    return made
