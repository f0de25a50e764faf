"""What compiling a network did, as a JSON document."""

from __future__ import annotations

import msgspec

from search.networks.benchmark import Benchmark
from search.networks.compiling import Compiled
from search.networks.verification import Settled
from tunedb.documents.answers import Document


def compiled(done: Compiled, speed: Benchmark | None = None) -> Document:
    """A library, what it says of itself, and what came of each schedule that was tried."""
    found: Document = msgspec.to_builtins(done.manifest)
    found["programs"] = [
        {**program, **_of_program(settled)} for program, settled in zip(found["programs"], done.programs, strict=True)
    ]
    return {"path": str(done.path), **found, "step_secs": done.secs, "benchmark": speed and benchmarked(speed)}


def benchmarked(found: Benchmark) -> Document:
    """How fast a library is."""
    document: Document = msgspec.to_builtins(found)
    return document


def _of_program(settled: Settled) -> Document:
    comparison = settled.comparison
    return {
        "secs": None if comparison is None else comparison.secs,
        "untuned_secs": None if comparison is None else comparison.untuned_secs,
        "refused": list(settled.refused),
    }
