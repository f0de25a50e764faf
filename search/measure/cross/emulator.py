"""Runs libraries of another architecture here: by QEMU in user mode, with TVM's runtime for that architecture.

Numbers can be checked that way. How long a run takes says nothing of the machine that is meant.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from search.measure.cross.runtimes import gather
from tunedb.errors import BadInputError, MeasurementError, last_line

_SOURCE = Path(__file__).with_name("guest.cc")
_COMPILE_SECS = 300.0
_VERSION_SECS = 30.0
_OUT = re.compile(r"out (\w+) ([\dx]*)")
_NO_RUNTIME = "--tvm-runtime FOLDER tells where TVM's runtime for {} is: its wheels, or their libraries"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of running a library."""

    arrays: tuple[Array, ...]  # the outputs of a network; all arguments of a program, as they are afterwards
    secs: tuple[float, ...]  # of each run, as the emulator counts


class Emulator:
    """An architecture whose libraries can be run here. It has a folder of its own until it is closed.

    Args:
        architecture: Such as "aarch64".
        runtime: The folder of TVM's runtime for it, or of TVM's wheels; None where nobody told.
        compiler: The C++ compiler that links for it.

    Raises:
        MeasurementError: Something that this needs is not installed, or does not work; the message says what.
        NotFoundError: The folder has no runtime for the architecture.
        BadInputError: A wheel cannot be read.
    """

    def __init__(self, architecture: str, runtime: Path | None, compiler: str) -> None:
        self.architecture = architecture
        self._qemu = _qemu(architecture)
        if runtime is None:
            raise MeasurementError(_NO_RUNTIME.format(architecture))
        self.name = _version(self._qemu)
        """What emulates, with its version."""
        self._root = _root(compiler)
        self._folder = tempfile.TemporaryDirectory(prefix="tunedb-emulator-", ignore_cleanup_errors=True)
        self._path = Path(self._folder.name)
        try:
            gather(runtime, architecture, self._path)
            self._build(compiler)
        except BaseException:
            self.close()
            raise

    def run_network(self, library: Path, inputs: Sequence[Array], *, threads: int = 1, repeat: int = 1) -> Ran:
        """Runs a network's library.

        Args:
            library: The library.
            inputs: The inputs, in their order.
            threads: How many threads it runs on; fewer where there are fewer processors.
            repeat: How often.

        Raises:
            BadInputError: It cannot be loaded, or fails.
        """
        return self._run("network", library, inputs, threads, repeat, None)

    def run_program(
        self, library: Path, arguments: Sequence[Array], *, threads: int = 1, limit_secs: float | None = None
    ) -> Ran:
        """Runs a tensor program's library once.

        Args:
            library: The library, whose function is `main`.
            arguments: All arguments, those that it writes too.
            threads: How many threads it runs on; fewer where there are fewer processors.
            limit_secs: The longest time that it may take; None is as long as it likes.

        Raises:
            BadInputError: It cannot be loaded, or fails.
            TimeoutError: It takes longer.
        """
        return self._run("program", library, arguments, threads, 1, limit_secs)

    def close(self) -> None:
        """Removes its folder."""
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(
        self, what: str, library: Path, arrays: Sequence[Array], threads: int, repeat: int, limit_secs: float | None
    ) -> Ran:
        with tempfile.TemporaryDirectory(prefix="run-", dir=self._path) as folder:
            specs = []
            for place, array in enumerate(arrays):
                Path(folder, f"{place}.in").write_bytes(np.ascontiguousarray(array).tobytes())
                specs.append(f"{array.dtype}:{'x'.join(map(str, array.shape))}")
            guest = [str(self._path / "guest"), what, str(library.absolute()), folder, str(repeat), *specs]
            # More threads than processors would wait for each other, and busily.
            used = {"TVM_NUM_THREADS": str(min(threads, len(os.sched_getaffinity(0)))), "TVM_BIND_THREADS": "0"}
            done = self._emulated(guest, used, limit_secs)
            if done.returncode != 0:
                raise BadInputError(f"{library}: {_cause(done)}")
            found = [
                np.frombuffer(Path(folder, f"{place}.out").read_bytes(), dtype).reshape(
                    [int(extent) for extent in shape.split("x") if extent]
                )
                for place, (dtype, shape) in enumerate(_OUT.findall(done.stdout))
            ]
        secs = tuple(float(line[5:]) for line in done.stdout.splitlines() if line.startswith("secs "))
        return Ran(tuple(found), secs)

    def _emulated(
        self, guest: Sequence[str], variables: Mapping[str, str], limit_secs: float | None
    ) -> subprocess.CompletedProcess[str]:
        told = {**variables, "LD_LIBRARY_PATH": str(self._path)}
        options = [part for name, value in told.items() for part in ("-E", f"{name}={value}")]
        command = [self._qemu, "-L", str(self._root), *options, *guest]
        environment = {name: value for name, value in os.environ.items() if name not in told}
        try:
            return subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                timeout=limit_secs,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it takes longer than {limit_secs:g} s") from error

    def _build(self, compiler: str) -> None:
        headers = _folder_of("tvm_ffi") / "include"
        libraries = ["-L", str(self._path), "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi"]
        command = [compiler, "-std=c++17", "-O1", "-I", str(headers), str(_SOURCE), "-o", str(self._path / "guest")]
        command += [*libraries, "-Wl,--allow-shlib-undefined"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_COMPILE_SECS)
        if done.returncode != 0:
            raise MeasurementError(f"{compiler} cannot build what runs libraries: {_cause(done)}")


def find_emulator(architecture: str, runtime: Path | None, compiler: str | None) -> Emulator | str:
    """An emulator, or why there is none.

    Args:
        architecture: Such as "aarch64".
        runtime: The folder of TVM's runtime for it; None where nobody told.
        compiler: The C++ compiler that links for it; None where there is none.

    Raises:
        NotFoundError: The folder that somebody told has no such runtime.
        BadInputError: A wheel in it cannot be read.
    """
    if compiler is None:
        return f"no compiler links for {architecture}: install g++-{architecture}-linux-gnu, or give --cross-compiler"
    try:
        return Emulator(architecture, runtime, compiler)
    except MeasurementError as error:
        return str(error)


def _qemu(architecture: str) -> str:
    for name in (f"qemu-{architecture}-static", f"qemu-{architecture}"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise MeasurementError(f"nothing here runs code for {architecture}: install qemu-user-static")


def _version(qemu: str) -> str:
    try:
        done = subprocess.run([qemu, "--version"], check=False, capture_output=True, text=True, timeout=_VERSION_SECS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(f"{qemu}: {last_line(error)}") from error
    number = re.search(r"version (\d[\w.]*)", done.stdout)
    return f"{Path(qemu).name.removesuffix('-static')} {number[1] if number else ''}".strip()


def _root(compiler: str) -> Path:
    """The folder below which a compiler's libraries lie as they would on the machine that it links for.

    Raises:
        MeasurementError: There is no such compiler, or it has no C library.
    """
    try:
        done = subprocess.run(
            [compiler, "-print-file-name=libc.so.6"], check=False, capture_output=True, text=True, timeout=_VERSION_SECS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(f"{compiler}: {last_line(error)}") from error
    library = Path(done.stdout.strip())
    if not library.is_absolute():
        raise MeasurementError(f"{compiler} has no C library: install libc6-dev of its architecture")
    return library.resolve().parent.parent


def _folder_of(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MeasurementError(f"{package} is not installed: pip install apache-tvm")
    return Path(found.submodule_search_locations[0])


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed, in one line."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    told = next((line for line in lines if "rror" in line), lines[-1] if lines else "")
    return told or f"it ended with status {done.returncode}"
