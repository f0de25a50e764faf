"""What a core of a machine can do: FLOP/s and bytes/s, from two kernels that every tuning run measures.

`search.measure.canaries` builds them; here they are known by their workloads' hashes, and their trials are
trials like any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunedb.store import Store


@dataclass(frozen=True, slots=True)
class Kernel:
    """A workload of known work."""

    workload_id: str
    extents: tuple[int, ...]
    work: float  # of one run: FLOP, or bytes to and from memory


@dataclass(frozen=True, slots=True)
class Calibration:
    """The most that one core of a machine was seen to do with a target's code; None where nothing was measured."""

    flop_per_sec: float | None = None
    bytes_per_sec: float | None = None


# Repeats, rows, columns and depth of a product of two small matrices that stay in the innermost cache.
ARITHMETIC = Kernel("ddc630615bb24ce0079e3da6ea0d57d0", (64, 6, 32, 256), 2.0 * math.prod((64, 6, 32, 256)))
# Elements (float32) that are read, changed and written: 16 MiB in all, more than most cores' own caches hold.
MEMORY = Kernel("a8ab2cc4d901c33a21b9ebd3f30bf19e", (2 << 20,), 8.0 * (2 << 20))
KERNELS = (ARITHMETIC, MEMORY)
WORKLOAD_IDS = frozenset(kernel.workload_id for kernel in KERNELS)


def all_workload_ids(store: Store) -> list[str]:
    """The workloads of a store's trials: those that `Store.workloads` lists, and the kernels, which it leaves out."""
    return [*(row.workload_id for row in store.workloads()), *sorted(WORKLOAD_IDS)]


def calibration(store: Store, target_id: str, hardware_id: str) -> Calibration:
    """What the trials of the two kernels say of a target's code on a machine."""
    found = []
    for kernel in KERNELS:
        secs = [
            min(trial.run_secs)
            for trial in store.trials(kernel.workload_id, target_id)
            if trial.hardware_id == hardware_id and trial.run_secs
        ]
        found.append(kernel.work / min(secs) if secs else None)
    return Calibration(*found)
