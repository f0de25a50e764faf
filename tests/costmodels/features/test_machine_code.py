import json

import numpy as np
import pytest

from costmodels.features import machine_code

# Two nested loops; the inner one has two fused multiply-adds, one of them from memory, a load and a reload.
ASSEMBLY = """
	.text
	.globl	main
main:                                   # @main
	xorl	%eax, %eax
	vxorps	%xmm0, %xmm0, %xmm0
.LBB0_1:                                # =>This Loop Header: Depth=1
	vmovups	%zmm2, 64(%rsp)
.LBB0_2:                                #   Parent Loop BB0_1 Depth=1
	vmovups	(%rdi,%rax,4), %zmm1
	vmovups	64(%rsp), %zmm2
	vfmadd231ps	%zmm1, %zmm2, %zmm0
	vfmadd231ps	(%rsi,%rax,4){1to16}, %zmm1, %zmm3
	addq	$16, %rax
	cmpq	$1024, %rax
	jne	.LBB0_2
	vshufps	$1, %ymm0, %ymm0, %ymm1
	vmovups	%ymm0, (%rdx)
	decl	%ecx
	jne	.LBB0_1
	callq	expf@PLT
	retq
"""


@pytest.fixture
def row():
    return dict(zip(machine_code.names(), machine_code.describe(ASSEMBLY), strict=True))


def test_the_hot_loop_is_the_innermost_one(row):
    counted = {name: round(2 ** row[f"code_hot_{name}"] - 1) for name in ("fused", "loads", "reloads", "from_memory")}

    assert counted == {"fused": 2, "loads": 1, "reloads": 1, "from_memory": 1}
    assert row["code_hot_instructions"] == np.log2(1 + 7)
    assert row["code_hot_zmm"] == np.log2(1 + 4)
    assert row["code_hot_operations"] == np.log2(1 + 2 * 2 * 16)
    assert row["code_hot_instructions_per_operation"] == 7 / 2  # of 32 operations
    assert row["code_hot_spills"] == 0


def test_the_whole_function_is_counted(row):
    whole = ("loops", "innermost_loops")
    expected = {
        "instructions": 16,
        "loops": 2,
        "innermost_loops": 1,
        "spills": 1,
        "stores": 1,
        "shuffled": 1,
        "calls": 1,
    }

    counted = {name: 2 ** row[f"code_{name}" if name in whole else f"code_all_{name}"] - 1 for name in expected}

    assert counted == pytest.approx(expected)
    assert row["code_all_shuffled_per_operation"] == 1 / 2


def test_numbers_one_by_one_are_counted_apart_from_vectors():
    one_by_one = dict(
        zip(
            machine_code.names(),
            machine_code.describe("main:\n\tvfmadd231ss\t(%rdi), %xmm0, %xmm1\n\tmulss\t%xmm1, %xmm0\n\tretq\n"),
            strict=True,
        )
    )

    assert one_by_one["code_all_single"] == np.log2(1 + 2)
    assert one_by_one["code_all_xmm"] == 0
    assert one_by_one["code_all_operations"] == np.log2(1 + 2 + 1)


def test_other_processors_have_no_features():
    with pytest.raises(ValueError, match="not that of x86"):
        machine_code.describe("main:\n\tfmla\tv0.4s, v1.4s, v2.4s\n\tret\n")


@pytest.mark.tvm
def test_real_candidates_have_finite_rows_that_differ(matmul):
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import load_module, schedule

    module, trials = matmul
    candidates = [schedule(module, trial.trace, trusted=True) for trial in trials[:6]]
    target = tvm.target.Target(json.loads('{"kind":"llvm","mcpu":"znver5","num-cores":1}'))
    context = ms.TuneContext(mod=load_module(module), target=target, num_threads=1)

    rows = machine_code.extract(candidates, context)

    assert rows.shape == (6, len(machine_code.names()))
    assert np.isfinite(rows).all()
    assert len(np.unique(rows, axis=0)) > 1
    assert (rows == machine_code.extract(candidates, context)).all()
    column = dict(zip(machine_code.names(), rows.T, strict=True))
    assert (column["code_all_fused"] > 0).all()


@pytest.mark.tvm
def test_an_arm_target_has_no_features(matmul):
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from tunedb.metaschedule.replay import load_module, schedule

    module, trials = matmul
    target = tvm.target.Target({"kind": "llvm", "mtriple": "aarch64-linux-gnu", "num-cores": 1})
    context = ms.TuneContext(mod=load_module(module), target=target, num_threads=1)

    rows = machine_code.extract([schedule(module, trials[0].trace, trusted=True)], context)

    assert np.isnan(rows).all()
