"""The values that cross layers: frozen, free of TVM, and never plain dicts.

What makes two of them equal is decided in `tunedb.identity` alone; here are only their fields. The tables of a store
follow from them (`tunedb.store.schema`).
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

DEFAULT_CONDITIONS = "{}"
"""Canonical JSON of a measurement like any other: alone on this machine, again and again with warm caches.

What is measured otherwise says how: `{"caches":"flushed"}`. Latencies under different conditions are never compared.
"""
NETWORK_CONDITIONS = '{"caches":"network"}'
"""The same of a measurement in between whose calls other programs of a network run, as far as caches tell."""


class Outcome(StrEnum):
    """How a trial ended. Only `OK` trials have run times."""

    OK = "ok"
    COMPILE_ERROR = "compile_error"
    COMPILE_TIMEOUT = "compile_timeout"
    RUN_ERROR = "run_error"
    RUN_TIMEOUT = "run_timeout"
    WRONG_RESULT = "wrong_result"
    FAILED = "failed"  # a log that says "failed" and not how (MetaSchedule writes run_secs=[1e10])


@dataclass(frozen=True, slots=True)
class Workload:
    """What a tensor program computes, whichever TVM release wrote it down.

    `family`, `epilogue` and `extents` tell workloads apart and how like they are; `name` is for people, and nothing
    reads it.
    """

    workload_id: str  # hex, hash of `signature`
    name: str  # "conv2d+relu 1x112x112x64x7x7x3 float32"
    family: str  # operator of the heaviest block: "conv2d"; "unknown" when the module is lost
    epilogue: str  # what is fused behind it: "relu"; "" for nothing that has a name
    extents: tuple[int, ...]  # of the heaviest block's axes, in order; () where one is symbolic or unknown
    signature: str  # canonical JSON; "" when unknown


@dataclass(frozen=True, slots=True)
class Module:
    """A workload's IRModule as one TVM release wrote it: a trace is replayed on the module it was recorded with.

    Several releases write the same program differently: their `module_id` and `structural_hash` differ and their
    `workload_id` is one.
    """

    module_id: str  # hex, hash of `module_json`
    workload_id: str
    structural_hash: str  # decimal, as TVM wrote it; "" when unknown
    tvm_version: str  # the release that wrote the module; "" when unknown
    module_json: bytes  # the IRModule's JSON graph, without MetaSchedule's base64 frame


@dataclass(frozen=True, slots=True)
class Target:
    """A TVM target: what code is generated for. Hardware is a thing apart."""

    target_id: str  # hex, hash of `text`
    text: str  # canonical JSON: keys sorted, no tag, no defaults that say nothing
    kind: str  # "llvm", "cuda", ...
    arch: str  # mcpu, arch or model; "" when unknown
    num_cores: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """TVM's keys of the target, which select schedule rules: ("arm_cpu", "cpu")."""
        return tuple(str(key) for key in json.loads(self.text).get("keys", ()))


@dataclass(frozen=True, slots=True)
class Hardware:
    """A device that trials were measured on: a machine's CPU, or one of its GPUs."""

    hardware_id: str  # hex, hash of the other fields (`tunedb.identity.identified`)
    name: str  # "AMD EPYC 9965", "unknown"
    kind: str = "unknown"  # "cpu", "gpu", "unknown"
    num_cores: int | None = None
    simd_bits: int | None = None
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    memory_bytes: int | None = None
    # Of devices that are not the host.
    compute_capability: str | None = None  # "9.0"
    num_sms: int | None = None
    driver: str | None = None  # its version
    memory_bytes_per_sec: int | None = None  # between the device and its memory, as its driver says it
    host: str | None = None  # the name of the CPU beside it
    # Of a machine that nobody told: a hash of what tells its log apart. Two logs of unknown machines are not pooled.
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A MetaSchedule trace as its two JSON arrays, undecoded."""

    instructions: bytes
    decisions: bytes

    def to_json(self) -> str:
        """The trace as MetaSchedule writes it: `[instructions, decisions]`."""
        return f"[{self.instructions.decode()}, {self.decisions.decode()}]"


@dataclass(frozen=True, slots=True)
class Source:
    """Where trials came from: a log file or a tuning run."""

    source_id: str  # hex, hash of the other fields
    uri: str  # the file's path as given, or "tune:<run id>"
    format: str  # "metaschedule-json", "tune", ...
    detail: str = "{}"  # canonical JSON: strategy, seed, tunedb and TVM versions, ...
    added_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured candidate of one workload on one target and hardware, under some conditions."""

    trial_id: str  # hex, hash of the content (`tunedb.identity.trial_id`)
    workload_id: str
    module_id: str  # "" when the log had no module
    target_id: str
    hardware_id: str
    source_id: str
    position: int  # order within the source: line number or trial number, from 0
    trace: Trace
    args_info: bytes  # JSON array as MetaSchedule writes it
    run_secs: tuple[float, ...]  # one figure a repeat; () for a failed trial
    outcome: Outcome = Outcome.OK
    error: str = ""  # cause of failure, for people
    measured_at: datetime | None = None
    conditions: str = DEFAULT_CONDITIONS  # of the measurement (`tunedb.identity.conditions_of`)
    # The machine as it was told first, of which `trial_id` is made; "" where it is `hardware_id`. So a trial keeps its
    # id when it is given its machine afterwards.
    first_hardware_id: str = ""

    @property
    def run_secs_median(self) -> float:
        """Median of `run_secs` in seconds; infinity for a failed trial."""
        return statistics.median(self.run_secs) if self.run_secs else float("inf")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of a workload for a target on one machine, and every good measurement of it.

    Its latency, wherever one is shown, is what all of them say together: the geometric mean of the passes' least run
    times (`tunedb.query.estimates`).
    """

    hardware_id: str
    trace_id: str
    passes: tuple[tuple[float, ...], ...]  # the run times of each, in seconds (`tunedb.identity.passes_of`)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Another source in which a stored trial was found, besides the one that the trial names."""

    trial_id: str
    source_id: str
    position: int  # order within that source, as in `Trial`


@dataclass(frozen=True, slots=True)
class Delivery:
    """That a source, or trials of it, came over a service: who sent it is who answers for it.

    A source without one was brought by whoever keeps the store.
    """

    source_id: str
    sender: str  # the name of the token that it was sent with
    delivered_at: datetime  # the first time


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one comparison found: whether a schedule computes what the untuned program does.

    It is of the program that a trace makes of a workload for a target, however often that was measured, or never. So it
    names no trial, and stays when trials go. A schedule has as many verdicts as it had comparisons.
    """

    verdict_id: str  # hex, hash of the other fields (`tunedb.identity.with_verdict_id`)
    workload_id: str
    trace_id: str
    target_id: str
    hardware_id: str  # that both programs ran on
    tvm_version: str  # the release that built both
    deviation: float  # the largest of an element, relative to its tensor's largest; infinite where a NaN stands in one
    allowed_deviation: float
    arguments: str  # the kind of arguments that the deviation was seen with, for people
    magnitude: float  # the largest of what the untuned program wrote; where that is 0, nothing was verified
    found_at: datetime
    source: str  # "compile", or the tuning run's "tune:<run id>"
    tunedb_version: str
    secs: float | None = None  # of the fastest call, run in turns with the untuned program; None when not told
    untuned_secs: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether the schedule deviates by no more than is allowed."""
        return self.deviation <= self.allowed_deviation

    @property
    def tells(self) -> bool:
        """Whether anything was found out: of zeros, nothing is."""
        return not self.agrees or self.magnitude > 0

    @property
    def is_timed(self) -> bool:
        """Whether it tells what both programs took."""
        return None not in (self.secs, self.untuned_secs) and math.isfinite(self.secs or 0.0)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A piece of input that could not be read, kept so that nothing is lost."""

    uri: str
    line: int  # from 1; 0 for the whole file
    reason: str
    content: bytes = b""  # the line, cut to a bound


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """A row of `Store.workloads()`: a workload over all its modules, targets and trials."""

    workload_id: str
    name: str
    family: str
    epilogue: str
    extents: tuple[int, ...]
    structural_hashes: tuple[str, ...]
    tvm_versions: tuple[str, ...]
    num_trials: int
    num_failed: int
    num_targets: int
    best_secs: float | None  # the least median of a trial under default conditions, whatever the target and machine


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """A row of `Store.pool_summaries()`: what was measured of a workload for a target on a machine."""

    workload_id: str
    target_id: str
    hardware_id: str
    conditions: str
    num_trials: int
    num_failed: int
    best_secs: float | None  # the least latency of a schedule (`Schedule`); None when all failed
    best_median_secs: float | None = None  # the median of the fastest trial of that schedule
    best_trial_id: str | None = None  # that trial


@dataclass(frozen=True, slots=True)
class TrialGroup:
    """A row of `Store.trial_groups()`: how many trials of one kind a source brought, and when the last was measured."""

    workload_id: str
    target_id: str
    hardware_id: str
    source_id: str
    conditions: str
    outcome: Outcome
    num_trials: int
    newest_at: datetime | None  # None where the log has no times
    best_secs: float | None  # the least median of a trial; None for failed ones


@dataclass(frozen=True, slots=True)
class SqlResult:
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]  # Python values of whatever types the query's columns have


@dataclass(frozen=True, slots=True)
class AppendReport:
    """What an append or an ingest did."""

    added: int = 0
    duplicates: int = 0
    failed_trials: int = 0  # of `added`: stored with a cause
    rejected: tuple[Rejected, ...] = field(default=())
    by_source: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # source_id -> (added, failed of these)


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """A row of `Store.target_summaries()`: what was measured for one target on one machine."""

    target: Target
    hardware: Hardware
    num_trials: int
    num_failed: int
    num_workloads: int


@dataclass(frozen=True, slots=True)
class StoreStats:
    """How much a store holds."""

    url: str
    version: str
    schema_version: int
    num_workloads: int
    num_modules: int
    num_targets: int
    num_hardware: int
    num_trials: int
    num_sources: int
    num_rejected: int
    outcomes: dict[Outcome, int]  # trials by outcome; outcomes that none had are left out
    bytes_stored: int  # live files only; 0 for a store in memory
    num_verdicts: int = 0

    @property
    def num_failed(self) -> int:
        """Trials that have no run times."""
        return self.num_trials - self.outcomes.get(Outcome.OK, 0)


@dataclass(frozen=True, slots=True)
class CompactedTable:
    """What compacting did to one table."""

    table: str
    files_before: int
    files_after: int
    files_removed: int  # from disk: of versions whose grace is over
