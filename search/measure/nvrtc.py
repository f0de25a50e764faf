"""CUDA's compiler as pip installs it: kernels to machine code, whether or not there is a GPU.

TVM compiles what it generates only where a driver is: elsewhere it hands on the source, and a kernel that does not
compile is not noticed. Here it is compiled all the same. `pip install 'tunedb[cuda]'` brings what is needed: NVRTC, its
headers, and their Python bindings; neither nvcc nor a toolkit is.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunedb.errors import MeasurementError, last_line

_MISSING = "CUDA code is compiled with NVRTC, which is not installed: pip install 'tunedb[cuda]'"
_KIND = "cuda"


@lru_cache(maxsize=1)
def toolkit() -> Path:
    """The folder of pip's CUDA: with `include` and `lib`.

    Raises:
        MeasurementError: It is not installed.
    """
    try:
        found = importlib.util.find_spec("nvidia")
        has_bindings = importlib.util.find_spec("cuda.bindings") is not None
    except ModuleNotFoundError:
        found, has_bindings = None, False
    folders = [] if found is None else list(found.submodule_search_locations or ())
    for folder in folders:
        for toolkit_folder in sorted(Path(folder).glob("cu[0-9]*"), reverse=True):
            if has_bindings and (toolkit_folder / "include" / "cuda_runtime.h").is_file():
                return toolkit_folder
    raise MeasurementError(_MISSING)


def cubin(source: str, target: Any) -> bytes:
    """Compiles CUDA source.

    Args:
        source: As TVM generates it.
        target: TVM's target, whose `arch` it is compiled for.

    Returns:
        The machine code.

    Raises:
        MeasurementError: NVRTC is not installed, or refuses the source; the message is its first error.
    """
    from tvm.support.nvcc import compile_cuda

    folder = toolkit()
    _load_builtins()
    os.environ.setdefault("CUDA_PATH", str(folder))  # where TVM looks for headers
    try:
        with target:
            made = compile_cuda(
                source,
                target_format="cubin",
                arch=str(target.attrs["arch"]),
                options=_includes(folder),
                compiler="nvrtc",
            )
    except Exception as error:  # TVM raises what NVRTC says, in many lines
        raise MeasurementError(f"NVRTC refuses a kernel: {_first_error(error)}") from error
    return bytes(made)


def prepare() -> None:
    """Lets TVM itself compile with pip's NVRTC in this process; does nothing where that is not installed.

    Where a driver is, TVM compiles each kernel that it generates or loads; a toolkit of the machine does as well.
    """
    try:
        folder = toolkit()
    except MeasurementError:
        return
    _load_builtins()
    os.environ.setdefault("CUDA_PATH", str(folder))
    os.environ.setdefault("TVM_CUDA_NVRTC_EXTRA_OPTS", " ".join(_includes(folder)))


def _includes(folder: Path) -> list[str]:
    return [f"-I{folder / 'include'}", f"-I{folder / 'include' / 'cccl'}"]


@lru_cache(maxsize=1)
def _load_builtins() -> None:
    """Loads what NVRTC looks for by name only, and does not find where pip puts it."""
    for library in sorted((toolkit() / "lib").glob("libnvrtc-builtins.so*")):
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def cubins_of(module: Any, target: Any) -> list[bytes]:
    """Compiles the kernels of a module that was built where no driver is.

    Args:
        module: What `tvm.compile` or `tvm.driver.build` made.
        target: TVM's target.

    Raises:
        MeasurementError: One of them cannot be compiled.
    """
    return [cubin(str(part.inspect_source()), target) for part in _parts(module) if str(part.kind) == _KIND]


def _parts(module: Any) -> list[Any]:
    return [module, *(part for imported in module.imports for part in _parts(imported))]


def _first_error(error: Exception) -> str:
    text = str(error).replace("\0", "")
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower()]
    return next((line for line in lines if ": error" in line), lines[-1] if lines else last_line(error))
