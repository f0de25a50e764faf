"""Export of trials as T4, the results of the autotuning community (schema 1.0.0) that Kernel Tuner writes. No TVM.

A result has what T4 has a place for; its member `tunedb` has the rest of the trial, so that an ingest of the file gives
the same trials, machines and sources. T4 has one kernel, target and machine a file: it cannot tell several apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from tunedb.errors import StoreError, first_line
from tunedb.files import new_files
from tunedb.identity import instructions_id
from tunedb.ingest.formats.kernel_tuner import OWN, SCHEMA_VERSION, invalidity_of
from tunedb.ingest.tables import NEEDED, VERDICTS_COLUMN
from tunedb.query.tabular import whole_batches
from tunedb.records import Outcome
from tunedb.store.contract import StoreReader
from tunedb.traces import ANSOR, AUTOTVM, KERNEL_TUNER, split_instructions, tuner_of

_HEAD = {"schema_version": SCHEMA_VERSION, "metadata": {"timeunit": "milliseconds"}, "results": []}
_KEPT = (*NEEDED, "workload", "hardware", "first_hardware_id", VERDICTS_COLUMN)
_MS = 1e3


@dataclass(slots=True)
class T4Report:
    """What an export as T4 wrote."""

    file: Path
    trials: int = 0
    failed_trials: int = 0  # of `trials`
    workloads: int = 0
    pools: int = 0  # pairs of a workload with a target, machine and conditions: T4 means a file for each


def export_t4(
    store: StoreReader,
    file: str | Path,
    *,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> T4Report:
    """Writes trials as T4 results, one a line. A write that fails leaves no file.

    Args:
        store: the store that the trials are read from.
        file: the file; it must not be there.
        workload_id: the only workload to write; all but those of reference kernels by default.
        target_id: the only target to write; all by default.
        top_k: the number of fastest trials to write of each workload and target; all, failed ones too, by default.
        on_progress: called with the number of trials that are written.

    Returns:
        What was written.

    Raises:
        UsageError: the file is there, or `top_k` is not positive.
        StoreError: the store cannot be read or the file not written.
    """
    report = T4Report(Path(file))
    pools: set[tuple[str, ...]] = set()
    head, tail = msgspec.json.encode(_HEAD).split(b"[]")
    try:
        with (
            new_files(report.file) as new,
            new.parts[0].open("wb") as out,
            whole_batches(store, workload_id, target_id, top_k) as (_, batches),
        ):
            out.write(head + b"[")
            for batch in batches:
                for row in batch.to_pylist():
                    out.write((b",\n" if report.trials else b"\n") + msgspec.json.encode(_result(row)))
                    pools.add((row["workload_id"], row["target_id"], row["hardware_id"], row["conditions"]))
                    report.trials += 1
                    report.failed_trials += row["outcome"] != Outcome.OK
                if on_progress is not None:
                    on_progress(report.trials)
            out.write(b"\n]" + tail + b"\n")
    except pa.ArrowException as error:
        raise StoreError(f"cannot write {file}: {first_line(error)}") from error
    report.pools, report.workloads = len(pools), len({pool[0] for pool in pools})
    return report


def _result(row: dict[str, Any]) -> dict[str, object]:
    """A trial as T4 has it."""
    runs = [secs * _MS for secs in row["run_secs"] or ()]
    outcome = Outcome(row["outcome"])
    moment = row["measured_at"]
    told: dict[str, object] = {} if moment is None else {"timestamp": moment.isoformat()}
    told |= {
        "configuration": _configuration(row["trace"]),
        "times": {"runtimes": runs},
        "invalidity": invalidity_of(outcome, row["error"] or ""),
        "correctness": 0 if outcome is Outcome.WRONG_RESULT else 1,
        "measurements": [{"name": "time", "value": statistics.median(runs), "unit": "ms"}] if runs else [],
        "objectives": ["time"],
    }
    own = {name: row[name] for name in _KEPT if row[name] is not None or name not in (*_LATE, VERDICTS_COLUMN)}
    return told | {OWN: own}


def _configuration(trace: str) -> dict[str, object]:
    """The decisions of a schedule by name: of a trace, the instruction's place and kind."""
    instructions, decisions = msgspec.json.decode(trace, type=tuple[msgspec.Raw, msgspec.Raw])
    shared = bytes(instructions)
    values = msgspec.json.decode(decisions)
    if (tuner := tuner_of(shared)) == KERNEL_TUNER:
        return dict(zip(msgspec.json.decode(shared)[1], values, strict=True))
    if tuner == AUTOTVM:  # [[name, kind, value], ...]
        return {str(entity[0]): entity[2] for entity in values if isinstance(entity, list) and len(entity) > 2}
    if tuner == ANSOR:
        return {"steps": values}
    kinds = msgspec.json.decode(shared)
    try:
        named = {f"{place} {kinds[place][0]}": value for place, value in values}
    except (LookupError, TypeError, ValueError):  # it came from elsewhere, and is no trace
        named = {"decisions": values}
    return {"design_space": instructions_id(split_instructions(shared)[0]), **named}


_LATE = ("module_record", "workload_record", "hardware_record", "source_record")  # in the first row that needs them
