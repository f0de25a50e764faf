"""The values that cross layers: frozen, free of TVM, and never plain dicts.

What makes two of them equal is decided in `tunedb.identity` alone; here are only their fields.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
    """A tensor program to be tuned, as one TVM release wrote it.

    Several releases write the same program differently: their `module_id` and `structural_hash` differ and
    their `workload_id` is one. A trace is replayed on the module that it was recorded with.
    """

    workload_id: str  # ours, hex: what the program computes (`tunedb.identity.workload_id`)
    module_id: str  # hex, hash of `module_json`; "" when the log had no module
    structural_hash: str  # decimal, as TVM wrote it; "" when unknown
    name: str  # for people: "matmul 128x128x128 float32"
    signature: str  # canonical JSON of what `workload_id` is the hash of
    tvm_version: str  # the release that wrote the module; "" when unknown
    module_json: bytes  # the IRModule's JSON graph, without MetaSchedule's base64 frame; b"" when unknown


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
    """A machine that trials were measured on."""

    hardware_id: str  # hex, hash of the other fields
    name: str  # "AMD EPYC 9965", "unknown"
    kind: str = "unknown"  # "cpu", "gpu", "unknown"
    num_cores: int | None = None
    simd_bits: int | None = None
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    memory_bytes: int | None = None


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
    """One measured candidate of one workload on one target and hardware."""

    trial_id: str  # hex, hash of the content (`tunedb.identity.trial_id`)
    workload_id: str
    module_id: str
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

    @property
    def run_secs_median(self) -> float:
        """Median of `run_secs` in seconds; infinity for a failed trial."""
        return statistics.median(self.run_secs) if self.run_secs else float("inf")


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
    structural_hashes: tuple[str, ...]
    tvm_versions: tuple[str, ...]
    num_trials: int
    num_failed: int
    num_targets: int
    best_secs: float | None  # over all targets: never compare across targets by it


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
