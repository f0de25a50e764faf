import numpy as np
import pytest

from costmodels.features import workload


def described(operator, sizes):
    import tvm

    from search.corpus import operators

    module = tvm.IRModule({"main": operators.prim_func(operator, sizes)})
    return dict(zip(workload.names(), workload.describe(module), strict=True))


@pytest.mark.tvm
def test_a_matrix_product_in_numbers():
    row = described("batch_matmul_nkkm", [1, 64, 128, 32])

    assert row["workload_is_contraction"] == 1
    assert [row["workload_is_windowed"], row["workload_is_conditional"], row["workload_has_calls"]] == [0, 0, 0]
    assert row["workload_flop"] == np.log2(2 * 64 * 128 * 32)
    assert row["workload_bytes"] == np.log2(4 * (64 * 32 + 32 * 128 + 64 * 128))
    assert row["workload_intensity"] == pytest.approx(row["workload_flop"] - row["workload_bytes"])
    assert [row[f"workload_spatial{place}"] for place in range(3)] == [7, 6, 0]  # 128, 64, the batch of 1
    assert [row[f"workload_reduction{place}"] for place in range(2)] == [5, 0]
    assert row["workload_count_arguments"] == 3


@pytest.mark.tvm
@pytest.mark.parametrize(
    ("operator", "sizes", "kind", "is_windowed"),
    [
        ("conv2d_nhwc", [1, 14, 14, 32, 64, 3, 1, 1], "contraction", True),
        ("conv2d_nhwc", [1, 14, 14, 32, 64, 1, 1, 0], "contraction", False),
        ("depthwise_conv2d_nhwc", [1, 14, 14, 64, 3, 1, 1], "contraction", True),
        ("conv2d_transpose_nhwc", [1, 4, 4, 32, 16, 4, 2, 1], "contraction", True),
        ("max_pool2d_nchw", [1, 28, 28, 16, 1], "reduction", True),
        ("sum_rows", [64, 128], "reduction", False),
        ("norm_bmn", [1, 64, 64], "reduction", False),
        ("gelu_chain", [64, 128], "elementwise", False),
        ("transpose", [64, 128], "movement", False),
    ],
)
def test_operators_are_classified_by_what_they_do(operator, sizes, kind, is_windowed):
    row = described(operator, sizes)

    assert [name for name in workload.KINDS if row[f"workload_is_{name}"]] == [kind]
    assert row["workload_is_windowed"] == is_windowed
    assert np.isfinite(list(row.values())).all()


@pytest.mark.tvm
def test_what_is_computed_in_place_of_padding_is_conditional():
    assert described("conv2d_transpose_nhwc", [1, 4, 4, 32, 16, 4, 2, 1])["workload_is_conditional"] == 1


@pytest.mark.tvm
def test_all_candidates_have_the_same_row(matmul):
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import load_module

    context = ms.TuneContext(
        mod=load_module(matmul[0]), target=tvm.target.Target({"kind": "llvm", "num-cores": 1}), num_threads=1
    )
    rows = workload.extract([None] * 3, context)

    assert rows.shape == (3, len(workload.names()))
    assert (rows == workload.describe(load_module(matmul[0]))).all()


@pytest.mark.tvm
def test_a_shape_that_is_known_only_when_the_program_runs_gives_no_numbers():
    import tvm
    from tvm import te
    from tvm.s_tir import meta_schedule as ms

    extent = te.var("n")
    data = te.placeholder((extent,), name="A")
    doubled = te.compute((extent,), lambda i: data[i] * 2, name="B")
    module = tvm.IRModule({"main": te.create_prim_func([data, doubled])})
    context = ms.TuneContext(mod=module, target=tvm.target.Target({"kind": "llvm", "num-cores": 1}), num_threads=1)

    assert np.isnan(workload.extract([None], context)).all()
