"""What a core of a machine can do, FLOP/s and bytes/s, from the trials of its reference kernels."""

from __future__ import annotations

from dataclasses import dataclass

from tunedb.machine.kernels import ALL_ARITHMETIC, ALL_MEMORY, WORKLOAD_IDS
from tunedb.records import DEFAULT_CONDITIONS
from tunedb.store.contract import StoreReader


@dataclass(frozen=True, slots=True)
class Calibration:
    """The most that one core of a machine was seen to do with a target's code; None where nothing was measured."""

    flop_per_sec: float | None = None
    bytes_per_sec: float | None = None


def all_workload_ids(store: StoreReader) -> list[str]:
    """All workloads: those that `Store.workloads` lists, and the kernels, which it leaves out, where measured."""
    kernels = {row.workload_id for row in store.pool_summaries(WORKLOAD_IDS)}
    return [*(row.workload_id for row in store.workloads()), *sorted(kernels)]


def calibration(store: StoreReader, target_id: str, hardware_id: str) -> Calibration:
    """What a core of a machine, or a GPU, can do with a target's code, by the trials of the reference kernels.

    Args:
        store: the store that has these trials.
        target_id: the target that the kernels were compiled for.
        hardware_id: the machine that they ran on.
    """
    found = []
    for kernels in (ALL_ARITHMETIC, ALL_MEMORY):
        per_sec = [
            kernel.work / min(trial.run_secs)
            for kernel in kernels
            for trial in store.trials(kernel.workload_id, target_id, conditions=DEFAULT_CONDITIONS)
            if trial.hardware_id == hardware_id and trial.run_secs
        ]
        found.append(max(per_sec, default=None))
    return Calibration(*found)
