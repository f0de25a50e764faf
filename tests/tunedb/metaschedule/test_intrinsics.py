import subprocess
import sys

import pytest

pytestmark = pytest.mark.tvm


def in_a_fresh_process(code: str) -> str:
    """What a program prints; which intrinsics are registered is a matter of the process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_cuda_target_gets_what_its_rules_name_and_no_other_backend() -> None:
    code = """
import sys
from tunedb.metaschedule import intrinsics
intrinsics.register_for("cuda", ("cuda", "gpu"))
intrinsics.register_for("cuda", ("cuda", "gpu"))
from tvm.s_tir import TensorIntrin
known = [name for name in intrinsics._registrations() if TensorIntrin.get(name, allow_missing=True) is not None]
print(len(known), len(intrinsics._registrations()), "tvm.s_tir.tensor_intrin.rocm" in sys.modules)
"""
    known, all_of_them, has_rocm = in_a_fresh_process(code).split()
    assert int(known) == 26 < int(all_of_them)
    assert has_rocm == "False"


def test_what_a_trace_names_is_registered_wherever_it_is_from() -> None:
    code = """
from tunedb.metaschedule import intrinsics
names = ["wmma_load_16x16x16_f16_a_trans_shared", "dot_16x4_vnni", "no_such_intrinsic"]
intrinsics.register_named(names)
from tvm.s_tir import TensorIntrin
print([TensorIntrin.get(name, allow_missing=True) is not None for name in names])
"""
    assert in_a_fresh_process(code) == "[True, True, False]"


def test_a_group_of_intrinsics_that_tvm_is_asked_for_is_registered() -> None:
    """DLight's schedules ask for one and use it."""
    code = """
from tunedb.metaschedule import intrinsics
intrinsics.register_for("cuda", ("cuda", "gpu"))
from tvm.s_tir.tensor_intrin.cuda import get_wmma_intrin_group
from tvm.s_tir import TensorIntrin
group = get_wmma_intrin_group(
    load_scope="shared.dyn", store_scope="shared.dyn", in_dtype="float16", out_dtype="float32", trans_b=True
)
print(all(TensorIntrin.get(name, allow_missing=True) is not None for name in group.values()), len(group))
"""
    assert in_a_fresh_process(code) == "True 5"


def test_after_a_cpu_a_gpu_of_another_kind_gets_all_there_is() -> None:
    code = """
from tunedb.metaschedule import intrinsics
intrinsics.register_for("llvm", ("cpu",))
intrinsics.register_for("cuda", ("cuda", "gpu"))
intrinsics.register_for("rocm", ("rocm", "gpu"))
from tvm.s_tir import TensorIntrin
print(all(TensorIntrin.get(name, allow_missing=True) is not None for name in intrinsics._registrations()))
import tvm.s_tir.tensor_intrin.rocm
print(TensorIntrin.get("wmma_fill_16x16x16_f32", allow_missing=True) is not None)
"""
    assert in_a_fresh_process(code).split() == ["True", "True"]
