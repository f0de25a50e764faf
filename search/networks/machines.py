"""Where a network is compiled for: this machine, or one of another architecture that may be emulated here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from search.measure.cross.architecture import architecture_of, is_foreign, linker_for
from search.measure.cross.device import CrossCpu
from search.measure.cross.emulator import Emulator, find_emulator
from search.measure.device import Device
from search.measure.here import at_hand
from search.networks.emulated import EmulatedLibrary
from search.networks.manifest import Manifest
from search.networks.reference import Runnable
from search.networks.runtime import Library
from tunedb.errors import BadInputError, MeasurementError
from tunedb.identity import canonical_target
from tunedb.records import Target


@dataclass(frozen=True, slots=True)
class Machine:
    """What compiles for a machine, and runs what was compiled."""

    device: Device | None  # None where the target's device is not at hand
    linker: str | None  # None is the system's
    load: Callable[[Path], Runnable]


@contextlib.contextmanager
def machine_of(
    target: Target,
    *,
    cross_compiler: str | None = None,
    tvm_runtime: Path | None = None,
    run_timeout_secs: float | None = None,
    build_timeout_secs: float | None = None,
) -> Iterator[Machine]:
    """The machine that a target is for: this one, or one of another architecture.

    Args:
        target: What code is generated for.
        cross_compiler: The C++ compiler that links for another architecture; None is ARCH-linux-gnu-g++.
        tvm_runtime: The folder of TVM's runtime for another architecture, or of its wheels; without it, nothing runs.
        run_timeout_secs: The longest run of one program; None is the usual limit.
        build_timeout_secs: The longest build of one; None is the device's own limit.

    Raises:
        MeasurementError: Nothing here links for the architecture.
        NotFoundError: The folder has no runtime for it.
        BadInputError: A wheel cannot be read.
    """
    if not is_foreign(target):
        with at_hand(target, run_timeout_secs=run_timeout_secs, build_timeout_secs=build_timeout_secs) as device:
            yield Machine(device, None, Library)
        return
    architecture = architecture_of(target)
    linker = linker_for(target, cross_compiler)
    if linker is None:
        raise MeasurementError(
            f"nothing here links for {architecture}: install g++-{architecture.replace('_', '-')}-linux-gnu, or give "
            "--cross-compiler"
        )
    with contextlib.ExitStack() as stack:
        found = find_emulator(architecture, tvm_runtime, linker)
        if isinstance(found, Emulator):
            stack.enter_context(found)
        limits = {"build_timeout_secs": build_timeout_secs, "run_timeout_secs": run_timeout_secs}
        made = stack.enter_context(CrossCpu(target, linker, found, **limits))

        def load(path: Path) -> Runnable:
            if isinstance(found, str):
                raise MeasurementError(found)
            return EmulatedLibrary(path, found)

        yield Machine(made, linker, load)


def target_of(manifest: Manifest) -> Target:
    """The target of a library.

    Raises:
        BadInputError: Its manifest has none.
    """
    try:
        return canonical_target(manifest.target)
    except BadInputError as error:
        raise BadInputError(f"the library's manifest names no target: {error}") from error
