import numpy as np
import pytest

from costmodels.features.loops import Nest, nests

pytestmark = pytest.mark.tvm

EXTENTS = (8, 4, 8)  # i, k, j


def upsampled(step: int, *, inner_i: int = 2, vectorize_i: bool = False) -> Nest:
    """Sums over k of what a stride of 2 leaves of the input, zeros between, j in vectors and the rest unrolled."""
    import tvm
    from tvm import te, tirx
    from tvm.s_tir import Schedule

    rows, taps, columns = EXTENTS
    a = te.placeholder((6, columns), name="A")
    k = te.reduce_axis((0, taps), name="k")

    def spread(i, j):
        return tirx.if_then_else((i + k) % 2 == 0, a[(i + k) // 2, j], 0.0)

    b = te.compute((rows, columns), lambda i, j: te.sum(spread(i, j), axis=k), name="B")
    schedule = Schedule(tvm.IRModule({"main": te.create_prim_func([a, b])}))
    block = schedule.get_sblock("B")
    i, j, k_loop = schedule.get_loops(block)
    outer, inner = schedule.split(i, [None, inner_i])
    schedule.reorder(outer, j, k_loop, inner) if vectorize_i else schedule.reorder(outer, k_loop, inner, j)
    schedule.vectorize(inner if vectorize_i else j)
    schedule.annotate(outer, "pragma_auto_unroll_max_step", step)
    (nest,) = nests(schedule.mod)
    return nest


def test_what_unrolled_loops_decide_is_known():
    decided = upsampled(8).decided  # four taps of two rows: of each row every other tap is a zero

    assert (decided.skipped, decided.taken) == (0.5, 0.5)
    assert not decided.is_by_lane


def test_what_hangs_on_a_loop_that_runs_is_a_branch():
    decided = upsampled(2).decided  # rows alone are unrolled, which tap it is is not known

    assert (decided.skipped, decided.taken) == (0.0, 0.0)


def test_odd_steps_of_the_loop_outside_leave_it_open():
    decided = upsampled(8, inner_i=1).decided  # rows come one by one: any of them may be even

    assert (decided.skipped, decided.taken) == (0.0, 0.0)


def test_a_condition_within_a_vector_is_recognised():
    assert upsampled(8, vectorize_i=True).decided.is_by_lane


def test_padding_is_skipped_at_the_ends_and_undecided_between():
    import tvm
    from tvm import te, tirx
    from tvm.s_tir import Schedule

    a = te.placeholder((6,), name="A")
    b = te.compute((8,), lambda i: tirx.if_then_else(tirx.all(i >= 1, i < 7), a[i - 1], 0.0), name="B")
    schedule = Schedule(tvm.IRModule({"main": te.create_prim_func([a, b])}))
    (i,) = schedule.get_loops(schedule.get_sblock("B"))
    outer, _ = schedule.split(i, [2, 4])

    (rolled,) = nests(schedule.mod)
    schedule.annotate(outer, "pragma_auto_unroll_max_step", 8)
    (unrolled,) = nests(schedule.mod)

    assert (rolled.decided.skipped, rolled.decided.taken) == (0.0, 0.0)
    assert (unrolled.decided.skipped, unrolled.decided.taken) == (0.25, 0.75)


def test_without_conditions_nothing_is_skipped():
    nest = Nest("", np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.bool_), 0, (), 0.0)

    assert (nest.decided.skipped, nest.decided.taken) == (0.0, 1.0)
