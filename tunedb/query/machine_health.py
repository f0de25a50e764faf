"""How fast a machine was, time by time: what its reference kernels reached, for each target's code.

Every tuning run measures the two kernels between its batches. They are the same programs for years, so a fall is the
machine's: throttled, busy, or changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.store.contract import StoreReader

_KERNELS = {ARITHMETIC.workload_id: ARITHMETIC, MEMORY.workload_id: MEMORY}
_STEPS_SECS = (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
_MOST_STEPS = 200  # of a whole history
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class KernelSpeed:
    """What a kernel reached on a machine in one stretch of time."""

    hardware_id: str
    target_id: str
    is_arithmetic: bool  # else it is bound by memory
    at: datetime  # when the stretch begins
    step_secs: int  # how long it is
    num_trials: int
    median_per_sec: float  # FLOP, or bytes, of one core
    best_per_sec: float


def kernel_speeds(
    store: StoreReader,
    *,
    since: datetime | None = None,
    target_id: str | None = None,
    hardware_ids: Collection[str] | None = None,
) -> list[KernelSpeed]:
    """What the reference kernels reached, by machine, target and kernel, the oldest first.

    A trial counts with its fastest run. Stretches are as short as leaves at most 200 in the whole time.

    Args:
        store: the store that is asked.
        since: only what was measured from then on.
        target_id: only with this target's code.
        hardware_ids: only these machines.

    Returns:
        The speeds. Failed trials, and those that nobody told a time of, are none of them.
    """
    where = [
        f"workload_id IN ({_listed(_KERNELS)})",
        "outcome = 'ok'",
        "conditions = '{}'",
        "measured_at IS NOT NULL",
    ]
    if since is not None:
        where.append(f"epoch_us(measured_at) >= {round(since.timestamp() * _MICROS)}")
    if target_id is not None:
        where.append(f"target_id = {_quoted(target_id)}")
    if hardware_ids is not None:
        where.append(f"hardware_id IN ({_listed(hardware_ids) or 'NULL'})")
    selected = " AND ".join(where)
    ((first, last),) = store.sql(
        f"SELECT min(epoch_us(measured_at)), max(epoch_us(measured_at)) FROM trials WHERE {selected}"
    ).rows
    if first is None:
        return []
    span = (last - first) / _MICROS
    step = next((secs for secs in _STEPS_SECS if span / secs <= _MOST_STEPS), _STEPS_SECS[-1])
    rows = store.sql(
        f"""SELECT hardware_id, target_id, workload_id, epoch_us(measured_at) // {step * _MICROS} AS place, count(*),
            median(list_min(run_secs)), min(list_min(run_secs))
        FROM trials WHERE {selected} GROUP BY ALL ORDER BY 1, 2, 3, 4"""
    ).rows
    return [
        KernelSpeed(
            hardware_id,
            target,
            workload_id == ARITHMETIC.workload_id,
            datetime.fromtimestamp(place * step, UTC),
            step,
            number,
            _KERNELS[workload_id].work / median,
            _KERNELS[workload_id].work / least,
        )
        for hardware_id, target, workload_id, place, number, median, least in rows
        if least > 0
    ]


def _listed(ids: Collection[str]) -> str:
    return ", ".join(map(_quoted, sorted(ids)))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
