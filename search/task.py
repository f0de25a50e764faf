"""What is tuned: one tensor program, of a network or by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One tensor program to be tuned."""

    name: str
    mod: Any  # tvm IRModule with one PrimFunc, "main"
    weight: float = 1.0  # how often a network runs it
    trials: int | None = None  # of a run of several tasks, that this one gets; None: as many as pay
