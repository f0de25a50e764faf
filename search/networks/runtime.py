"""Runs a compiled library with TVM's runtime alone: neither its compiler nor its Python package is loaded."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.networks.gpu_memory import GpuMemory, load_cuda
from search.networks.manifest import Manifest, Tensor, read_manifest
from tunedb.errors import BadInputError, TunedbError, UsageError, last_line

Arrays = Mapping[str, npt.NDArray[Any]]

_CPU, _CUDA = 1, 2  # kDLCPU, kDLCUDA
_POOLED = 2
_BUILTIN = "vm."  # begins the names of what the runtime calls for itself, such as to allocate a tensor
_LEAST_SECS = 1e-8  # that a program takes
_PACKED = "_prepacked"  # ends the name of a function whose constants were packed
_ALIGNMENT = 64  # of what generated code takes for granted


class Library:
    """A network's library, loaded.

    Args:
        path: The library, as `compile` wrote it, as a path or a text.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is none, is damaged, or is of another machine or TVM release.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path = Path(path)
        self.manifest: Manifest = read_manifest(path)
        module = _runtime()
        self._gpu: GpuMemory | None = None
        devices: tuple[int, ...] = (_CPU, 0, _POOLED)
        try:
            if '"kind":"cuda"' in "".join(self.manifest.target.split()):
                load_cuda(_tvm_folder())
                self._gpu = GpuMemory(module)
                devices = (_CUDA, 0, _POOLED, *devices)
            self._machine = module.load_module(str(path.absolute())).vm_load_executable()
            self._machine["vm_initialization"](*devices)
            self._main = self._machine["main"]
        except Exception as error:  # of the dynamic linker, or of TVM's runtime
            raise BadInputError(
                f"{path}: cannot be loaded here: {last_line(error)} (it was compiled for {self.manifest.target} by "
                f"TVM {self.manifest.tvm_version})"
            ) from error

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Runs the network once.

        Args:
            inputs: An array for each of the network's inputs, by name.

        Returns:
            The outputs, by name.

        Raises:
            UsageError: An input is missing, unknown, or has another shape or type than the network's.
        """
        found = self._main(*self.prepared(inputs))
        arrays = [found] if hasattr(found, "shape") else list(found)
        if self._gpu is not None:
            arrays = [self._gpu.get(array) for array in arrays]
        return {
            spec.name: np.from_dlpack(array).copy() for spec, array in zip(self.manifest.outputs, arrays, strict=True)
        }

    def prepared(self, inputs: Arrays) -> list[Any]:
        """The inputs as tensors of the runtime, in the order in which the network takes them; see `run`."""
        arrays = ordered(self.path, self.manifest, inputs)
        tensors = [_runtime().from_dlpack(_aligned(array)) for array in arrays]
        return tensors if self._gpu is None else [self._gpu.put(tensor) for tensor in tensors]

    def call(self, tensors: list[Any]) -> Any:
        """Runs the network once on prepared inputs; what comes out stays with the runtime."""
        found = self._main(*tensors)
        self._wait()
        return found

    def _wait(self) -> None:
        if self._gpu is not None:
            self._gpu.wait()

    def profile(self, tensors: list[Any], repeat: int) -> dict[str, tuple[int, float]]:
        """Runs the network so often, with a clock at each program.

        Args:
            tensors: Prepared inputs.
            repeat: How often.

        Returns:
            By function, how often a run calls it, and the seconds of all its calls in one run: the median of runs.
            What the clock takes itself is left out: it is what the runtime's own fastest call seems to take.
        """
        runs: list[list[tuple[str, float]]] = []
        started = 0.0

        def clock(_: object, name: str, is_before: bool, *rest: object) -> None:
            nonlocal started
            del rest
            self._wait()  # a kernel is only begun by its call
            if is_before:
                started = time.perf_counter()
            else:
                runs[-1].append((name, time.perf_counter() - started))

        self._machine["set_instrument"](clock)
        try:
            for _ in range(repeat):
                runs.append([])
                self._main(*tensors)
        finally:
            self._machine["set_instrument"](None)
        own = min((secs for run in runs for name, secs in run if name.startswith(_BUILTIN)), default=0.0)
        found: dict[str, tuple[int, float]] = {}
        for calls in zip(*runs, strict=True):
            name = calls[0][0].removesuffix(_PACKED)
            if name.startswith(_BUILTIN):
                continue
            number, secs = found.get(name, (0, 0.0))
            found[name] = number + 1, secs + max(statistics.median(one for _, one in calls) - own, _LEAST_SECS)
        return found

    def time(self, inputs: Arrays, repeat: int) -> list[float]:
        """Runs the network so often.

        Args:
            inputs: As `run` takes them.
            repeat: How often.

        Returns:
            The seconds of each run.
        """
        tensors = self.prepared(inputs)
        found = []
        for _ in range(repeat):
            started = time.perf_counter()
            self.call(tensors)
            found.append(time.perf_counter() - started)
        return found


def ordered(path: Path, manifest: Manifest, inputs: Arrays) -> list[npt.NDArray[Any]]:
    """A network's inputs in the order in which it takes them.

    Args:
        path: The library, for messages.
        manifest: What it says of itself.
        inputs: An array for each of the network's inputs, by name.

    Raises:
        UsageError: An input is missing, unknown, or has another shape or type than the network's.
    """
    names = [spec.name for spec in manifest.inputs]
    for name in inputs:
        if name not in names:
            raise UsageError(f"{path}: has no input {name!r}; its inputs are {', '.join(names)}")
    return [_checked(path, spec, inputs.get(spec.name)) for spec in manifest.inputs]


def _checked(path: Path, spec: Tensor, array: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    told = f"{'x'.join(map(str, spec.shape)) or 'a scalar'} {spec.dtype}"
    if array is None:
        raise UsageError(f"{path}: the input {spec.name} ({told}) is missing")
    if array.shape != spec.shape or str(array.dtype) != spec.dtype:
        given = f"{'x'.join(map(str, array.shape)) or 'a scalar'} {array.dtype}"
        raise UsageError(f"{path}: the input {spec.name} is {told}, and {given} was given")
    return array


def _aligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that begins where generated code takes tensors to begin."""
    buffer = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@functools.cache
def _runtime() -> Any:
    """TVM's runtime, loaded; what loads modules and makes tensors."""
    folder = _tvm_folder()
    import tvm_ffi

    runtime = next(folder.rglob("libtvm_runtime.so"))
    ctypes.CDLL(str(runtime), ctypes.RTLD_GLOBAL)
    return tvm_ffi


def _tvm_folder() -> Path:
    found = importlib.util.find_spec("tvm")
    if found is None or not found.submodule_search_locations:
        raise TunedbError("TVM's runtime is not installed: pip install apache-tvm")
    return Path(found.submodule_search_locations[0])
