"""What a task's program has to do, whatever its schedule: arithmetic, and what it reads and writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.measure.programs import program_of
from search.task import Task

_OPS_PER_SEC, _BYTES_PER_SEC = 2e10, 5e9  # of a core, before anything of it is known


@dataclass(frozen=True, slots=True)
class Work:
    """Of one call."""

    flop: float
    num_bytes: float  # of its arguments, each moved once

    @property
    def guess_secs(self) -> float:
        """What it may take on one core: only ratios of guesses count."""
        return self.flop / _OPS_PER_SEC + self.num_bytes / _BYTES_PER_SEC


@dataclass(frozen=True, slots=True)
class Roof:
    """What a device can do at best."""

    flop_per_sec: float
    bytes_per_sec: float

    def secs(self, work: Work) -> float:
        """The least time that work takes (Williams, Waterman, Patterson, "Roofline", CACM 2009)."""
        return max(work.flop / self.flop_per_sec, work.num_bytes / self.bytes_per_sec)


def work_of(task: Task) -> Work:
    """The work of a task; no arithmetic where TVM cannot count it."""
    from tvm.s_tir.analysis import estimate_tir_flops

    try:
        flop = float(estimate_tir_flops(task.mod))
    except Exception:  # of extents that are not known
        flop = 0.0
    args = program_of(task.mod).args_info
    return Work(flop, float(sum(math.prod(map(int, shape)) * np.dtype(kind).itemsize for _, kind, shape in args)))


def traffic_bytes(tasks: Sequence[Task]) -> int:
    """What the programs of a network read of its weights and write in one run; what they write is read from there.

    Of weights that no arithmetic is done with, as much is read as is written: a gather does not read all of its table.
    """
    moved = 0.0
    for task in tasks:
        program = program_of(task.mod)
        sizes = [math.prod(map(int, shape)) * np.dtype(kind).itemsize for _, kind, shape in program.args_info]
        read = sum(sizes[place] for place in program.weights)
        moved += task.weight * (sizes[-1] + (read if work_of(task).flop else min(read, sizes[-1])))
    return round(moved)


def guessed_shares(tasks: Sequence[Task]) -> list[float]:
    """Which share of their network's time each task may take."""
    secs = [task.weight * work_of(task).guess_secs for task in tasks]
    return [one / (sum(secs) or 1.0) for one in secs]
