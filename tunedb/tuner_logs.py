"""Export of trials as logs of the tuners that they came from: lines of AutoTVM and of Ansor, in their own form. No TVM.

What a line says beyond the store's columns is not kept: the index of an AutoTVM configuration (-1 is written, and no
reader looks at it) and the seconds that a measurement took in all (0).
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tunedb.errors import BadInputError, UsageError
from tunedb.files import new_files
from tunedb.identity import canonical_target
from tunedb.ingest.formats.legacy import error_number
from tunedb.ingest.formats.origins import HEAD, OriginWriter, origins_name
from tunedb.query.chosen import chosen
from tunedb.records import DEFAULT_CONDITIONS, Outcome, Target, Trial, Workload
from tunedb.store.contract import StoreReader
from tunedb.traces import ANSOR, AUTOTVM, tuner_of

_FAILED_SECS = 1e9  # what both write where there is no run time


@dataclass(slots=True)
class LogReport:
    """What an export as a log wrote, and what it could not."""

    file: Path
    form: str
    trials: int = 0
    failed_trials: int = 0  # of `trials`
    left_out: Counter[str] = field(default_factory=Counter)  # trials by reason


@dataclass(frozen=True, slots=True)
class _Form:
    tuner: str  # the first of a trace's instructions
    name: str  # for people
    line: Callable[[Trial, Workload, str], object]


def export_log(
    store: StoreReader,
    file: str | Path,
    form: str,
    *,
    workload_id: str | None = None,
    target_id: str | None = None,
    top_k: int | None = None,
) -> LogReport:
    """Writes a log of AutoTVM's or Ansor's, unless it would be empty.

    `best.log.tunedb.json` beside a `best.log` says of each record what the log has no place for, such as its machine:
    with it the log can be ingested again, and each trial keeps its id.

    Args:
        store: the store that the trials are read from.
        file: the log; it must not be there.
        form: one of `FORMS`.
        workload_id: the only workload to write; all by default.
        target_id: the only target to write; all by default.
        top_k: the number of fastest trials to write of each workload and target; all, failed ones too, by default.

    Returns:
        What was written. Trials of other tuners are left out, and those of other conditions, which a log cannot tell.

    Raises:
        UsageError: the file is there, there is no such form, or `top_k` is not positive.
        StoreError: the file cannot be written.
    """
    if form not in _FORMS:
        raise UsageError(f"no format {form!r}: there are {', '.join(FORMS)}")
    report = LogReport(Path(file), form)
    with new_files(report.file, report.file.with_name(origins_name(report.file.name))) as new:
        with new.parts[0].open("wb") as log, new.parts[1].open("wb") as origins:
            origins.write(HEAD)
            writer = OriginWriter(store.hardware(), store.sources())
            for trial, line in _lines(store, chosen(store, workload_id, target_id, top_k), _FORMS[form], report):
                log.write(line)
                origins.write(writer.lines(report.trials - 1, trial))
        new.are_wanted = report.trials > 0
    return report


def _lines(
    store: StoreReader, trials: Iterable[Trial], form: _Form, report: LogReport
) -> Iterator[tuple[Trial, bytes]]:
    targets = {target.target_id: command_line(target) for target in store.targets()}
    workloads: dict[str, Workload] = {}
    for trial in trials:
        if tuner_of(trial.trace.instructions) != form.tuner:
            report.left_out[f"not of {form.name}'s tuner, so it has no such form"] += 1
            continue
        if trial.conditions != DEFAULT_CONDITIONS:
            report.left_out["measured under other conditions, which such a log cannot tell"] += 1
            continue
        if trial.workload_id not in workloads:
            workloads[trial.workload_id] = store.workload(trial.workload_id)
        report.trials += 1
        report.failed_trials += trial.outcome is not Outcome.OK
        line = msgspec.json.encode(form.line(trial, workloads[trial.workload_id], targets[trial.target_id]))
        yield trial, line + b"\n"


def command_line(target: Target) -> str:
    """A target as TVM's command line had it, where that says the same; else its JSON, which later releases take."""
    fields = json.loads(target.text)
    words = [str(fields.pop("kind"))]
    for name, value in fields.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        words.append(f"-{name}" if value is True else f"-{name}={0 if value is False else text}")
    written = " ".join(shlex.quote(word) for word in words)
    try:
        return written if canonical_target(written) == target else target.text
    except BadInputError:
        return target.text


def _autotvm(trial: Trial, workload: Workload, target: str) -> object:
    task: dict[str, Any] = json.loads(workload.signature)
    return {
        "input": [target, task["task"], task["args"], task["kwargs"]],
        "config": {"index": -1, "code_hash": None, "entity": msgspec.Raw(trial.trace.decisions)},
        "result": _result(trial),
        "version": 0.2,
    }


def _ansor(trial: Trial, workload: Workload, target: str) -> object:
    key = json.dumps(json.loads(workload.signature)["workload_key"])
    _, *rest = json.loads(trial.trace.instructions)
    state = msgspec.Raw(trial.trace.decisions)
    return {"i": [[key, target, *rest], state], "r": _result(trial), "v": "v0.6"}


def _result(trial: Trial) -> list[object]:
    """Run times, error number, seconds in all, seconds since 1970."""
    moment = trial.measured_at.timestamp() if trial.measured_at else 0
    if trial.outcome is Outcome.OK:
        return [list(trial.run_secs), 0, 0, moment]
    return [[_FAILED_SECS], error_number(trial.outcome, trial.error), 0, moment]


_FORMS = {"autotvm": _Form(AUTOTVM, "AutoTVM", _autotvm), "ansor": _Form(ANSOR, "Ansor", _ansor)}
FORMS = tuple(_FORMS)
