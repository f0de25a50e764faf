from typing import Any

import numpy as np
import pytest

from tunedb.records import Target, Trace

pytestmark = pytest.mark.tvm


@pytest.fixture
def trace(context: Any) -> Trace:
    from search.space.spaces import DesignSpaces
    from tunedb.metaschedule.replay import recorded_trace

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    return recorded_trace(spaces.sample(4)[0].schedule.trace)


def test_a_schedule_computes_what_the_program_does(small_matmul: Any, trace: Trace, target: Target, pools: Any) -> None:
    from search.measure.correctness import check_numbers

    found = check_numbers(small_matmul, trace, target, *pools)
    assert found.agrees
    assert found.deviation is not None
    assert found.deviation < 1e-5


def test_another_program_is_caught(small_matmul: Any, target: Target, pools: Any) -> None:
    from tvm import te
    from tvm.ir import IRModule

    from search.measure import workers

    a, b = (te.placeholder((64, 64), name=name) for name in "ab")
    c = te.compute((64, 64), lambda i, j: a[i, j] + b[i, j], name="c")
    builder, runner = pools
    from tunedb.metaschedule.replay import target_to_tvm

    wrong = IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})
    paths = [builder.build_one(mod, target_to_tvm(target)) for mod in (small_matmul, wrong)]
    args = (("TENSOR", "float32", [64, 64]),) * 3
    assert runner.pool.submit(workers.deviation, *paths, "cpu", args, 0).result() > 0.1


def test_what_cannot_be_run_is_not_called_wrong(small_matmul: Any, target: Target, pools: Any) -> None:
    from search.measure.correctness import check_numbers

    found = check_numbers(small_matmul, Trace(b'[["Foo",[],[],[]]]', b"[]"), target, *pools)
    assert found.agrees is None
    assert found.problem


def test_a_hopeless_candidate_is_run_once(small_matmul: Any, target: Target, pools: Any) -> None:
    from search.measure import workers
    from tunedb.metaschedule.replay import target_to_tvm

    builder, runner = pools
    path = builder.build_one(small_matmul, target_to_tvm(target))
    args = (("TENSOR", "float32", [64, 64]),) * 3
    assert len(runner.pool.submit(workers.run, path, "cpu", args, 3, 1, 1e-9).result()) == 1
    assert len(runner.pool.submit(workers.run, path, "cpu", args, 3, 1, 1.0).result()) == 3
