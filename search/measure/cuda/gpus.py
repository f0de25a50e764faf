"""Which CUDA devices of this machine run code for a target. No TVM."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from search.measure import cuda_driver
from tunedb.errors import MeasurementError
from tunedb.records import Hardware, Target

_LOG = logging.getLogger(__name__)

_ARCH = re.compile(r"sm_(\d+)(\d)([af]?)")
_ADVICE = (
    "install NVIDIA's driver, run it on a machine with a GPU, or measure on a fleet of such machines "
    "(--rpc-tracker, --rpc-key)"
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device, as one process sees it."""

    place: int  # among those that this process may use: CUDA_VISIBLE_DEVICES narrows them down
    hardware: Hardware
    uuid: str = ""  # by which NVIDIA's own tools name it
    runtime: str = "cuda"  # as TVM's runtime names its kind


def gpus_for(target: Target) -> tuple[Gpu, ...]:
    """The devices of one kind that run code for a target, in the driver's order.

    Args:
        target: The target; its architecture tells which devices can run it.

    Raises:
        MeasurementError: There is none; the message says what was looked for, and what to do.
    """
    try:
        found = [Gpu(place, one, uuid) for place, (one, uuid) in enumerate(cuda_driver.devices_with_uuids())]
    except MeasurementError as error:
        raise MeasurementError(f"{error}; {_ADVICE}") from error
    if not found:
        raise MeasurementError("CUDA_VISIBLE_DEVICES hides all CUDA devices of this machine: let it show one")
    able = [one for one in found if runs(one.hardware, target.arch or "")]
    if not able:
        told = ", ".join(f"{one.hardware.name} ({one.hardware.compute_capability})" for one in found)
        raise MeasurementError(
            f"no CUDA device of this machine runs code for {target.arch or target.text}; it has {told}: --target cuda "
            "is the first of them"
        )
    return _alike(able)


def runs(hardware: Hardware, arch: str) -> bool:
    """Whether a device runs machine code of an architecture.

    Machine code runs on devices of the same major compute capability, of the same minor one or a later; that of an
    architecture with an "a" on just that one.

    Args:
        hardware: The device.
        arch: As CUDA names it: "sm_90a".
    """
    wanted = _ARCH.fullmatch(arch)
    if wanted is None or not hardware.compute_capability:
        return False
    major, minor = (int(part) for part in hardware.compute_capability.split("."))
    if wanted[3] == "a":
        return (major, minor) == (int(wanted[1]), int(wanted[2]))
    return major == int(wanted[1]) and minor >= int(wanted[2])


def _alike(able: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Those that are like the first: a run measures on hardware of one kind."""
    first = able[0].hardware
    others = sorted({one.hardware.name for one in able if one.hardware != first})
    if others:
        _LOG.warning("trials run on %s; %s is of another kind and stays idle", first.name, ", ".join(others))
    return tuple(one for one in able if one.hardware == first)
