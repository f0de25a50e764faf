"""Runs a library that `tunedb compile` made, with TVM's runtime alone: no compiler is loaded, nor tunedb.

    python examples/deployment/run.py model.so 16x64

Needs numpy, apache-tvm-ffi and libtvm_runtime.so, which apache-tvm brings.
"""

import ctypes
import importlib.util
import sys
from pathlib import Path

import numpy as np
import tvm_ffi


def aligned(array):
    """A copy that begins at a multiple of 64 bytes, as generated code takes tensors to do."""
    buffer = np.empty(array.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def main() -> None:
    """Runs it once on a float32 input and prints what comes out."""
    path, shape = sys.argv[1:]
    (folder,) = importlib.util.find_spec("tvm").submodule_search_locations
    ctypes.CDLL(str(Path(folder) / "lib" / "libtvm_runtime.so"), ctypes.RTLD_GLOBAL)
    machine = tvm_ffi.load_module(str(Path(path).absolute())).vm_load_executable()
    machine["vm_initialization"](1, 0, 2)  # a CPU, with a pool of memory

    shape = tuple(map(int, shape.split("x")))
    x = (np.arange(np.prod(shape)) % 7 / 7).astype(np.float32).reshape(shape)
    found = machine["main"](tvm_ffi.from_dlpack(aligned(x)))
    for tensor in [found] if hasattr(found, "shape") else found:
        for value in np.from_dlpack(tensor).ravel():
            print(f"{value:.6g}")


if __name__ == "__main__":
    main()
