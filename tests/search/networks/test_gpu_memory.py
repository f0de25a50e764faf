"""Tensors go to a device and come back; the CPU's own memory stands in for a GPU's."""

import numpy as np
import pytest

from search.networks.gpu_memory import GpuMemory
from search.networks.runtime import _runtime

pytestmark = pytest.mark.tvm


def test_what_is_put_there_comes_back() -> None:
    ffi = _runtime()
    memory = GpuMemory(ffi, "cpu")
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    there = memory.put(ffi.from_dlpack(array))
    array += 1.0
    back = np.from_dlpack(memory.get(there))
    np.testing.assert_array_equal(back, array - 1.0)
    memory.wait()
