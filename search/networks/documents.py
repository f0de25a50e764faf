"""What compiling a network did, as a JSON document."""

from __future__ import annotations

import math

import msgspec

from search.networks.benchmark import Benchmark
from search.networks.compiling import Compiled
from search.networks.verification import Settled
from tunedb.documents.answers import Document


def compiled(done: Compiled, speed: Benchmark | None = None) -> Document:
    """A library, what it says of itself, and what came of each schedule that was tried."""
    found: Document = msgspec.to_builtins(done.manifest)
    found["programs"] = [
        {**program, **of_program(settled)} for program, settled in zip(found["programs"], done.programs, strict=True)
    ]
    return {"path": str(done.path), **found, "step_secs": done.secs, "benchmark": speed and benchmarked(speed)}


def benchmarked(found: Benchmark) -> Document:
    """How fast a library is."""
    document: Document = msgspec.to_builtins(found)
    return document


def of_program(settled: Settled) -> Document:
    """What came of the schedules that were tried for a program."""
    comparison = settled.comparison
    return {
        "secs": None if comparison is None else _told(comparison.secs),
        "untuned_secs": None if comparison is None else _told(comparison.untuned_secs),
        "earlier": settled.earlier or None,
        "refused": list(settled.refused),
    }


def _told(secs: float) -> float | None:
    """A time; None where none is told, as by an emulator."""
    return secs if math.isfinite(secs) else None
