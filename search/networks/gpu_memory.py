"""A GPU's memory for a network that runs with TVM's runtime alone: arguments go there, and results come back."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

_HOST = ("cpu", 0)
_RUNTIME = "libtvm_runtime_cuda.so"


class GpuMemory:
    """The memory of a device.

    Args:
        ffi: The module `tvm_ffi`, with TVM's runtime loaded.
        kind: The kind of device, as TVM's runtime names it.
        place: Which of them; CUDA_VISIBLE_DEVICES decides which is the first.
    """

    def __init__(self, ffi: Any, kind: str = "cuda", place: int = 0) -> None:
        self._device, self._host = ffi.device(kind, place), ffi.device(*_HOST)
        self._empty = ffi.get_global_func("runtime.TVMTensorAllocWithScope")
        self._copy = ffi.get_global_func("runtime.TVMTensorCopyFromTo")
        self._sync = ffi.get_global_func("runtime.Device_StreamSync")
        self._shape = ffi.Shape

    def put(self, tensor: Any) -> Any:
        """A copy of a tensor on the device."""
        return self._copied(tensor, self._device)

    def get(self, tensor: Any) -> Any:
        """A copy of a tensor of the device where NumPy can read it."""
        made = self._copied(tensor, self._host)
        self.wait()
        return made

    def wait(self) -> None:
        """Returns when the device has done all that it was told."""
        self._sync(self._device, 0)

    def _copied(self, tensor: Any, device: Any) -> Any:
        made = self._empty(self._shape(tensor.shape), tensor.dtype, device, None)
        self._copy(tensor, made)
        return made


def load_cuda(folder: Path) -> None:
    """Loads TVM's runtime for CUDA, and what compiles kernels where a library has their source.

    A library that was compiled where no driver is holds source: it is compiled when it is loaded, by TVM's Python
    package and NVRTC.

    Args:
        folder: Of TVM's Python package.

    Raises:
        OSError: The runtime or the driver is missing.
    """
    ctypes.CDLL(str(next(folder.rglob(_RUNTIME))), ctypes.RTLD_GLOBAL)
    from tvm.support import nvcc  # noqa: F401

    from search.measure import nvrtc

    nvrtc.prepare()
