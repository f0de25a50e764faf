"""How fast a library is: as a whole beside other runtimes, and program by program while the whole runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.measure.device import Device
from search.measure.reference_kernels import ReferenceKernels
from search.networks.arrays import random_arrays
from search.networks.manifest import Program, num_cores
from search.networks.network import Network
from search.networks.rivals import Run, rivals
from search.networks.runtime import Library
from search.networks.turns import REST_SECS, in_turn
from search.work import Roof, Work
from tunedb import identity
from tunedb.machine.kernels import ARITHMETIC, MEMORY

OURS = "tunedb"
_ROUNDS = 15
_PROFILED = 9
_SEED = 1
_Z = 1.6448536269514722  # of the normal distribution: 90% lie between -z and z


@dataclass(frozen=True, slots=True)
class RuntimeTimes:
    """The latency of a network in one runtime, in seconds."""

    name: str
    secs: float  # median
    low_secs: float  # 90% interval of the median
    high_secs: float
    ratio: float  # the median over rounds of tunedb's time over this one's


@dataclass(frozen=True, slots=True)
class ProgramTimes:
    """What one program takes while the network runs."""

    name: str
    workload: str
    origin: str  # as in the manifest; "scheduled" for what is no task
    calls: int
    secs: float  # of all calls of one run
    share: float  # of the sum of all programs
    flop_per_sec: float | None = None
    roof_share: float | None = None  # the time that the work takes at best, over the time that it takes


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How fast a library is."""

    num_threads: int
    roof: Roof
    runtimes: tuple[RuntimeTimes, ...]  # tunedb first
    programs: tuple[ProgramTimes, ...]  # the heaviest first
    overhead_secs: float  # of a run, outside all programs


def benchmark(path: Path, network: Network, device: Device) -> Benchmark:
    """Measures a library that is loaded in this process, on threads that its target says.

    Args:
        path: The library.
        network: What it was compiled of.
        device: Whose roof its programs are held against.

    Raises:
        BadInputError: The library is none, or of another machine.
        MeasurementError: The device does not work.
    """
    library = Library(path)
    threads = num_cores(library.manifest)
    inputs = random_arrays(library.manifest.inputs, _SEED)
    tensors = library.prepared(inputs)
    roof = roof_of(device, threads)
    runs: dict[str, Run] = {OURS: lambda: library.call(tensors), **rivals(network, inputs, threads)}
    timed = in_turn(runs, _ROUNDS, rest_secs=REST_SECS if threads > 1 else 0.0)
    runtimes = tuple(_summary(name, secs, timed[OURS]) for name, secs in timed.items())
    measured = library.profile(tensors, _PROFILED)
    programs = _programs(measured, library.manifest.programs, roof)
    overhead = runtimes[0].secs - sum(one.secs for one in programs)
    return Benchmark(threads, roof, runtimes, tuple(programs), max(overhead, 0.0))


def roof_of(device: Device, num_threads: int) -> Roof:
    """What so many cores of a device can do, by the reference kernels; memory is shared, and counted once."""
    arithmetic, memory = ReferenceKernels(device).measure(identity.source("benchmark", "tune", {}))
    return Roof(num_threads * ARITHMETIC.work / min(arithmetic.run_secs), MEMORY.work / min(memory.run_secs))


def _summary(name: str, secs: Sequence[float], ours: Sequence[float]) -> RuntimeTimes:
    """By order statistics: the interval of a median depends on no distribution (David, Nagaraja, section 7.1)."""
    ordered, half = sorted(secs), _Z * math.sqrt(len(secs)) / 2
    low = max(math.floor(len(secs) / 2 - half), 0)
    high = min(math.ceil(len(secs) / 2 + half), len(secs) - 1)
    ratio = statistics.median(mine / its for mine, its in zip(ours, secs, strict=True))
    return RuntimeTimes(name, statistics.median(secs), ordered[low], ordered[high], ratio)


def _programs(measured: Mapping[str, tuple[int, float]], programs: Sequence[Program], roof: Roof) -> list[ProgramTimes]:
    """The programs of a library with what each took; functions of one program together."""
    of_function = {function: program for program in programs for function in program.functions}
    found: dict[str, list[Any]] = {}
    for function, (calls, secs) in measured.items():
        program = of_function.get(function)
        name = function.rstrip("0123456789") if program is None else program.name
        entry = found.setdefault(name, [program, 0, 0.0])
        entry[1] += calls
        entry[2] += secs
    total = sum(secs for _, _, secs in found.values()) or 1.0
    rows = []
    for name, (program, calls, secs) in found.items():
        if program is None:
            rows.append(ProgramTimes(name, name, "scheduled", calls, secs, secs / total))
            continue
        work = Work(program.flop, program.num_bytes)
        rows.append(
            ProgramTimes(
                name,
                program.workload,
                program.origin,
                calls,
                secs,
                secs / total,
                calls * work.flop / secs,
                calls * roof.secs(work) / secs,
            )
        )
    return sorted(rows, key=lambda row: -row.secs)
