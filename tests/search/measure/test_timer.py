"""How programs are timed on a CPU. What is slower than what is for benchmarks to say."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.measure.between import Between, happening
from search.measure.device import Device, Timing
from search.measure.waiting import Waiting
from tests.search.measure import modules
from tunedb.errors import MeasurementError
from tunedb.records import Outcome

SPIN = "import os\nos.sched_setaffinity(0, {%d})\nprint(flush=True)\nwhile True: pass"


@pytest.fixture
def one_core() -> Any:
    """This thread on one core only, whose number is given."""
    before = os.sched_getaffinity(0)
    core = min(before)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the kernel keeps no account")
def test_a_thread_that_shares_its_core_knows_that_it_waited(one_core: int) -> None:
    waiting = Waiting()
    other = subprocess.Popen([sys.executable, "-c", SPIN % one_core], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        before, end = waiting.secs(), time.monotonic() + 20
        while waiting.secs() == before and time.monotonic() < end:
            pass
        assert waiting.secs() > before
    finally:
        other.kill()
        other.wait()
        waiting.close()
    assert waiting.secs() == 0  # it tells no more


def test_conditions_say_what_happens_between_calls() -> None:
    assert Timing(between=Between(1 << 20)).conditions == '{"caches":"network"}'
    assert Timing(between=Between(1 << 20, writes_inputs=False)).conditions == '{"caches":"cold"}'
    assert Timing().plain() == Timing()
    with pytest.raises(MeasurementError, match="own CPU"):
        Timing(between=Between(1)).plain()


@pytest.mark.tvm
def test_arguments_begin_pages_and_indices_are_zero() -> None:
    import tvm

    from search.measure.arguments import allocated

    args_info = [["TENSOR", "float32", [3, 5]], ["TENSOR", "int64", [7]], ["TENSOR", "bool", []]]
    first, second = allocated(args_info, tvm.cpu(0), 2)
    for tensors in (first, second):
        assert [str(one.dtype) for one in tensors] == ["float32", "int64", "bool"]
        assert [np.from_dlpack(one).ctypes.data % 4096 for one in tensors[:2]] == [0, 0]
        assert np.isfinite(tensors[0].numpy()).all() and not tensors[1].numpy().any()
    assert np.from_dlpack(first[0]).ctypes.data != np.from_dlpack(second[0]).ctypes.data
    with pytest.raises(NotImplementedError, match="SCALAR"):
        allocated([["SCALAR", "float32", []]], tvm.cpu(0))


@pytest.mark.tvm
def test_what_happens_between_calls_changes_no_argument() -> None:
    import tvm

    tensors = [tvm.runtime.tensor(np.arange(1.0, 12.0, dtype="float32")) for _ in range(3)]
    for between in (Between(0), Between(1 << 40), Between(8, writes_inputs=False)):
        happening(between, tensors, weights=[1])()
    for one in tensors:
        assert one.numpy().tolist() == list(range(1, 12))


@pytest.mark.tvm
def test_programs_are_timed_with_other_programs_between(device: Device) -> None:
    from search.measure.programs import program_of

    (build,) = device.build([program_of(modules.added())], keep=True)
    for timing in (Timing(between=Between(1 << 20)), Timing(repeat=2, between=Between(64, writes_inputs=False))):
        (one,) = device.run([build.number], timing=timing)
        assert (one.outcome, len(one.run_secs)) == (Outcome.OK, timing.repeat)
        assert all(secs > 0 for secs in one.run_secs)
    device.release([build.number])


@pytest.mark.tvm
def test_a_program_knows_which_of_its_arguments_are_weights() -> None:
    from search.measure.programs import program_of

    mod = modules.matmul(64)
    assert program_of(mod).weights == ()
    mod["main"] = mod["main"].with_attr("layout_free_buffers", [1])
    assert program_of(mod).weights == (1,)
