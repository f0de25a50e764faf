"""A small matrix product to tune, and this machine as a target with one core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunedb.records import Target


@pytest.fixture(scope="session")
def target() -> Target:
    from search.targets import local_target

    return local_target(num_cores=1)


@pytest.fixture(scope="session")
def small_matmul(target: Target) -> Any:
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for(target.kind)
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(te_workload.matmul(64, 64, 64)).with_attr("global_symbol", "main")
    return IRModule({"main": function})


@pytest.fixture
def context(small_matmul: Any, target: Target) -> Any:
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import target_to_tvm

    return ms.TuneContext(
        mod=small_matmul, target=target_to_tvm(target), space_generator="post-order-apply", num_threads=1, rand_state=1
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
