"""Export of trials as a MetaSchedule JSON database that stock TVM opens. No TVM."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from tunedb.errors import BadInputError
from tunedb.files import new_files
from tunedb.ingest.formats.origins import HEAD, OriginWriter, origins_name
from tunedb.program.releases import installed_release
from tunedb.query.chosen import chosen
from tunedb.records import Module, Outcome, Target, Trial
from tunedb.store.contract import Store
from tunedb.traces import validated_trace

WORKLOAD_FILE = "database_workload.json"
RECORD_FILE = "database_tuning_record.json"
ORIGIN_FILE = origins_name(RECORD_FILE)
_TOLD = 1024  # trials, after which it is told how many there were
_FAILED = b"[1e10]"  # how MetaSchedule writes a trial that failed


@dataclass(slots=True)
class ExportReport:
    """What an export wrote, and what it could not."""

    directory: Path
    workloads: int = 0  # lines of the workload file: modules
    trials: int = 0
    failed_trials: int = 0  # of `trials`
    left_out: Counter[str] = field(default_factory=Counter)  # trials by reason


def export_metaschedule(
    store: Store,
    directory: str | Path,
    *,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
    include_failed: bool = True,
    tvm_version: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ExportReport:
    """Writes `database_workload.json` and `database_tuning_record.json` into a folder, unless they would be empty.

    `database_tunedb.json` beside them says of each record what the two have no place for, such as its machine: with it
    the folder can be ingested again, and each trial keeps its id. Stock TVM does not look at it.

    Args:
        store: the store that the trials are read from.
        directory: the folder to write to; made if it is not there. It must not have a database yet.
        workload_id: the only workload to write; all but those of `tunedb.machine.kernels` by default.
        target_id: the only target to write; all by default.
        top_k: the number of fastest trials to write of each workload and target; all by default.
        include_failed: whether to write failed trials, as run times of 1e10 seconds; `top_k` never does.
        tvm_version: the TVM release that is to open it, by default the one that is installed: a release opens only its
            own modules, and one foreign line makes the whole file unloadable.
        on_progress: called with the number of trials that are done.

    Returns:
        What was written, and what could not be.

    Raises:
        UsageError: there is a database in the folder, or `top_k` is not positive.
        StoreError: the folder cannot be written.
    """
    folder = Path(directory)
    trials = chosen(store, workload_id, target_id, top_k, include_failed=include_failed)
    report = ExportReport(folder)
    with new_files(folder / WORKLOAD_FILE, folder / RECORD_FILE, folder / ORIGIN_FILE) as new:
        modules, records, origins = new.parts
        with modules.open("wb") as modules_out, records.open("wb") as records_out, origins.open("wb") as origins_out:
            origins_out.write(HEAD)
            writer = _Writer(store, (modules_out, records_out, origins_out), report, tvm_version or installed_release())
            for number, trial in enumerate(trials, start=1):
                writer.write(trial)
                if on_progress is not None and number % _TOLD == 0:
                    on_progress(number)
        new.are_wanted = report.trials > 0  # an empty database would be in the way of the next one
    return report


class _Writer:
    def __init__(
        self, store: Store, files: tuple[BinaryIO, BinaryIO, BinaryIO], report: ExportReport, tvm_version: str
    ) -> None:
        self._store = store
        self._modules, self._records, self._origin_file = files
        self._origins = OriginWriter(store.hardware(), store.sources())
        self._report, self._tvm_version = report, tvm_version
        self._targets: dict[str, Target] = {row.target_id: row for row in store.targets()}
        self._lines: dict[str, int | str] = {}  # module_id -> its line, or why it has none

    def write(self, trial: Trial) -> None:
        line = self._lines.get(trial.module_id)
        if line is None:
            line = self._lines[trial.module_id] = self._write_module(trial.module_id)
        if isinstance(line, str):
            self._report.left_out[line] += 1
            return
        try:
            validated_trace(trial.trace)
        except BadInputError as error:
            self._report.left_out[str(error)] += 1
            return
        good = trial.outcome is Outcome.OK
        run_secs = msgspec.json.encode(trial.run_secs) if good else _FAILED
        trace = b"[%b,%b]" % (trial.trace.instructions, trial.trace.decisions)
        target = self._targets[trial.target_id].text.encode()
        self._records.write(b"[%d,[%b,%b,%b,%b]]\n" % (line, trace, run_secs, target, trial.args_info))
        self._origin_file.write(self._origins.lines(self._report.trials, trial))
        self._report.trials += 1
        self._report.failed_trials += not good

    def _write_module(self, module_id: str) -> int | str:
        if not module_id:
            return "its module is not known"
        row = self._store.module(module_id)
        if row.tvm_version != self._tvm_version:
            return f"its module was written by TVM {row.tvm_version or 'of unknown release'}"
        self._modules.write(workload_line(row))
        self._report.workloads += 1
        return self._report.workloads - 1


def workload_line(row: Module) -> bytes:
    """Writes a module as a line of MetaSchedule's workload file."""
    framed = len(row.module_json).to_bytes(8, "little") + row.module_json
    return msgspec.json.encode([row.structural_hash, base64.b64encode(framed).decode()]) + b"\n"
