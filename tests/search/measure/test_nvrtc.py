"""Kernels become machine code where no GPU is: what cannot be compiled is found."""

import importlib.util

import pytest

from benchmarks import gpu_programs as programs
from search.measure import nvrtc
from tunedb.errors import MeasurementError


def needs_nvrtc() -> None:
    try:
        nvrtc.toolkit()
    except MeasurementError as error:
        pytest.skip(str(error))


def compiled(name: str, number: int, seed: int = 0) -> list[bytes]:
    """The machine code of random candidates of a program."""
    from tvm.ir import save_json

    from search.measure.workers import built_module

    context = programs.context_of(programs.PROGRAMS[name]())
    spaces = programs.spaces_of(context, seed)
    try:
        mods = [candidate.schedule.mod for candidate in spaces.sample(number)]
    finally:
        spaces.close()
    built = [built_module(save_json(mod), str(context.target)) for mod in mods]
    return [code for one in built for code in nvrtc.cubins_of(one, context.target)]


def test_where_it_is_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    nvrtc.toolkit.cache_clear()
    try:
        with pytest.raises(MeasurementError, match=r"pip install 'tunedb\[cuda\]'"):
            nvrtc.toolkit()
    finally:
        nvrtc.toolkit.cache_clear()


@pytest.mark.tvm
def test_source_that_is_none_is_refused_with_its_first_error() -> None:
    needs_nvrtc()
    from tvm.target import Target

    with pytest.raises(MeasurementError, match=r"NVRTC refuses a kernel: .*error.*undefined_thing"):
        nvrtc.cubin('extern "C" __global__ void k(float* a) { a[0] = undefined_thing; }', Target("nvidia/nvidia-h100"))


@pytest.mark.tvm
def test_a_candidate_for_tensor_cores_becomes_machine_code() -> None:
    """Its operands and its sums have different types, which TVM's storage rewriting mixes up."""
    needs_nvrtc()
    found = compiled("matmul, float16", 2)
    assert len(found) == 2
    assert all(code.startswith(b"\x7fELF") for code in found)


@pytest.mark.tvm
@pytest.mark.slow
@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_random_candidates_of_every_operator_become_machine_code(name: str) -> None:
    needs_nvrtc()
    found = compiled(name, 8, seed=1)
    assert len(found) >= 8
    assert all(code.startswith(b"\x7fELF") for code in found)
