import json

import numpy as np
import pytest

from costmodels.features import loop_nest
from costmodels.features.loops import PARALLEL, VECTORIZED, nests

pytestmark = pytest.mark.tvm

TARGET = {"kind": "llvm", "mcpu": "znver5", "num-cores": 1}


def test_every_column_has_its_own_name():
    assert len(loop_nest.names()) == len(set(loop_nest.names()))


@pytest.fixture(scope="module")
def context():
    import tvm
    from tvm import te
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.intrinsics import register_for

    register_for("llvm")
    a, b = te.placeholder((64, 32), name="A"), te.placeholder((32, 128), name="B")
    k = te.reduce_axis((0, 32), name="k")
    c = te.compute((64, 128), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    module = tvm.IRModule({"main": te.create_prim_func([a, b, c])})
    return ms.TuneContext(mod=module, target=tvm.target.Target(TARGET), num_threads=1)


@pytest.fixture(scope="module")
def tiled(context):
    """Parallel over i (outer 16), j in tiles of 32, k, then 4 rows of i by a vector of 32."""
    from tvm.s_tir import Schedule

    schedule = Schedule(context.mod)
    block = schedule.get_sblock("C")
    i, j, k = schedule.get_loops(block)
    i0, i1 = schedule.split(i, [16, 4])
    j0, j1 = schedule.split(j, [4, 32])
    schedule.reorder(i0, j0, k, i1, j1)
    schedule.parallel(i0)
    schedule.vectorize(j1)
    return schedule


def test_a_nest_is_read_from_the_inside(tiled):
    (nest,) = nests(tiled.mod)

    assert nest.extents.tolist() == [32, 4, 32, 4, 16]
    assert nest.kinds[[0, 4]].tolist() == [VECTORIZED, PARALLEL]
    assert nest.reduces.tolist() == [False, False, True, False, False]
    assert nest.ops == 2  # a multiplication and an addition
    touched = {tuple(access.elements.tolist()) for access in nest.accesses if not access.writes}
    assert (1, 1, 4, 128, 128, 2048) in touched  # A: 4 rows, then 32 columns of them, then all
    assert (1, 32, 32, 1024, 4096, 4096) in touched  # B
    (written,) = (access for access in nest.accesses if access.writes)
    assert written.elements.tolist() == [1, 32, 128, 128, 512, 8192]
    assert written.run.tolist() == [1, 32, 32, 32, 512, 8192]
    assert written.lines.tolist() == [1, 2, 8, 8, 32, 512]


def test_numbers_of_a_tile(tiled, context):
    row = dict(zip(loop_nest.names(), loop_nest.extract([tiled], context)[0], strict=True))

    assert row["main_iterations"] == np.log2(64 * 128 * 32)
    assert row["main_tile_registers"] == np.log2(4 * 2)  # 4 rows of 32 floats, 16 a register
    assert row["main_group0_size"] == np.log2(4 * 32)
    assert row["main_group1_size"] == np.log2(32)
    assert row["main_parallel"] == 4
    assert row["main_count_steady"] == 1  # A is the same for a whole vector
    assert row["main_is_reduced_innermost"] == 0
    assert row["main_is_loop2_reduction"] == 1
    assert row["all_arithmetic"] == np.log2(2 * 64 * 128 * 32)
    assert row["second_iterations"] == -1  # there is one block
    assert row["target_vector_bits"] == 9


def vector_of(order: str, *, k: int = 32, annotated: int = 0, transposed: bool = False, call: bool = False) -> list:
    """What the features say of vectors in a matrix product whose loops run in an order, none of them vectorised."""
    import tvm
    from tvm import te
    from tvm.s_tir import Schedule
    from tvm.s_tir import meta_schedule as ms

    a = te.placeholder((8, k), name="A")
    b = te.placeholder((64, k) if transposed else (k, 64), name="B")
    r = te.reduce_axis((0, k), name="k")

    def product(i, j):
        right = b[j, r] if transposed else b[r, j]
        return te.sum(a[i, r] * (te.exp(right) if call else right), axis=r)

    c = te.compute((8, 64), product, name="C")
    schedule = Schedule(tvm.IRModule({"main": te.create_prim_func([a, b, c])}))
    loops = dict(zip("ijk", schedule.get_loops(schedule.get_sblock("C")), strict=True))
    schedule.reorder(*(loops[name] for name in order))
    if annotated:
        schedule.annotate(loops[order[0]], "pragma_auto_unroll_max_step", annotated)
    context = ms.TuneContext(mod=schedule.mod, target=tvm.target.Target(TARGET), num_threads=1)
    row = dict(zip(loop_nest.names(), loop_nest.extract([schedule], context)[0], strict=True))
    return [2 ** row["main_vector"], row["main_is_auto_vector"], row["main_is_straight_vector"]]


def test_the_innermost_loop_becomes_vectors_unasked():
    assert vector_of("ikj") == [64, 1, 0]


def test_so_does_the_one_round_a_short_loop_that_is_unrolled():
    assert vector_of("ijk") == [64, 1, 0]
    assert vector_of("ijk", k=512) == [1, 0, 0]


def test_straight_code_is_recognised():
    assert vector_of("ikj", annotated=64) == [64, 1, 1]


def test_what_is_scattered_or_calls_functions_stays_as_it_is():
    assert vector_of("ikj", transposed=True) == [1, 0, 0]
    assert vector_of("ikj", call=True) == [1, 0, 0]


def test_a_wider_target_has_other_features_than_a_narrower_one(tiled, context):
    import tvm

    narrow = tvm.target.Target({**TARGET, "mcpu": "x86-64-v3"})
    assert loop_nest.target_columns(narrow) == [8, 0]
    assert loop_nest.target_columns(tvm.target.Target({**TARGET, "num-cores": 4})) == [9, 2]


def test_rows_of_real_candidates_are_finite_and_differ(matmul):
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import schedule

    module, trials = matmul
    schedules = [schedule(module, trial.trace, trusted=True) for trial in trials]
    target = tvm.target.Target(json.loads(json.dumps(TARGET)))
    context = ms.TuneContext(mod=schedules[0].mod, target=target, num_threads=1)

    rows = loop_nest.extract(schedules, context)

    assert rows.shape == (24, len(loop_nest.names()))
    assert np.isfinite(rows).all()
    assert len(np.unique(rows, axis=0)) > 12
    assert loop_nest.extract([], context).shape == (0, len(loop_nest.names()))


def test_shapes_that_are_not_known_give_no_row(context):
    import tvm
    from tvm import te, tirx
    from tvm.s_tir import Schedule

    n = tirx.Var("n", "int64")
    a = te.placeholder((n,), name="A")
    b = te.compute((n,), lambda i: a[i] + 1, name="B")
    schedule = Schedule(tvm.IRModule({"main": te.create_prim_func([a, b])}))

    assert np.isnan(loop_nest.extract([schedule], context)).all()
