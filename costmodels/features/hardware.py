"""What a machine is, in numbers: the same for all trials that were measured on it.

Vector width and cores are in the loop-nest features already, from the target; here is what only the machine itself
tells: its caches, from the system, and what a core was seen to do, from the two kernels that every tuning run measures
(`tunedb.machine.kernels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunedb.query.calibration import Calibration
    from tunedb.records import Hardware

_NAMES = ("l1d_bytes", "l2_bytes", "l3_bytes", "flop_per_sec", "bytes_per_sec", "flop_per_byte")


def names() -> tuple[str, ...]:
    """Names of the numbers of `describe`, in order."""
    return tuple(f"hardware_{name}" for name in _NAMES)


def describe(hardware: Hardware, calibration: Calibration) -> NDArray[np.float64]:
    """A machine's numbers [6] on a log2 scale; NaN for what is not known of it.

    Args:
        hardware: the machine.
        calibration: what one of its cores was seen to do with the target's code.
    """
    flop, moved = calibration.flop_per_sec, calibration.bytes_per_sec
    balance = flop / moved if flop and moved else None
    known = (hardware.l1d_bytes, hardware.l2_bytes, hardware.l3_bytes, flop, moved, balance)
    return np.asarray([np.log2(number) if number else np.nan for number in known])
