"""A record's page: whether it is right, what was decided, its program as text, and where it came from."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tunedb.errors import BadInputError, NotFoundError
from tunedb.machine.kernels import WORKLOAD_IDS
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.upgrade import replayable
from tunedb.program.releases import installed_release
from tunedb.program.targets import target_label
from tunedb.query.description import RecordDescription, describe
from tunedb.query.trace_text import trace_lines
from tunedb.records import Outcome, Verdict
from tunedb.store.contract import Store
from tunedb.units import duration


def record_page(store: Store, prefix: str, *, wants_script: bool) -> dict[str, Any]:
    """What the template of a record's page shows.

    Args:
        store: the store that has it.
        prefix: the beginning of its id.
        wants_script: whether to replay it, in a child process. What others sent is never replayed here.

    Raises:
        NotFoundError: there is no such record.
        AmbiguousPrefixError: there are several.
    """
    found = describe(store, prefix)
    if not isinstance(found, RecordDescription):
        raise NotFoundError(f"{prefix[:40]!r} is a workload, not a record", kind="record", asked=prefix)
    trial = found.trial
    no_script = _reason(store, found)
    script = None
    if wants_script and not no_script:
        try:
            module, trace = replayable(store, trial, installed_release())
            script = probe(module, trace)
        except BadInputError as error:
            no_script = f"There is none: {error}."
    return {
        "trial": trial,
        "summary": _summary(found),
        "facts": _facts(store, found),
        "lines": trace_lines(trial.trace),
        "script": script,
        "no_script": no_script,
    }


def _reason(store: Store, found: RecordDescription) -> str:
    """Why a record is not to be replayed here; "" where it may be."""
    if found.trial.outcome is not Outcome.OK:
        return "There is none: the trial failed."
    sent = {row.sender for row in store.deliveries() if row.source_id == found.trial.source_id}
    if sent:
        return "What others have sent is data here and is not replayed: `tunedb best --show script` does it elsewhere."
    return ""


def _summary(found: RecordDescription) -> str:
    trial = found.trial
    where = f"of {found.workload.name} for {target_label(found.target)} on {found.hardware.name}"
    if trial.outcome is not Outcome.OK:
        return f"A trial {where} that failed: {trial.outcome.value.replace('_', ' ')}."
    told = {None: "nobody has verified what it computes", True: "it computes what the untuned program does"}
    is_right = None if found.verdict is None else found.verdict.agrees
    return f"{duration(trial.run_secs_median)} {where}; {told.get(is_right, 'it computes something else')}."


def _facts(store: Store, found: RecordDescription) -> list[tuple[str, str, str]]:
    """Names, texts and addresses."""
    trial = found.trial
    senders = sorted({row.sender for row in store.deliveries() if row.source_id == trial.source_id} - {""})
    workload = f"/dashboard/history?{urlencode({'workload': trial.workload_id})}"
    if trial.workload_id in WORKLOAD_IDS:  # a reference kernel: its history is the machine's
        workload = "/dashboard/machines"
    run = f"/dashboard/history?{urlencode({'run': trial.source_id})}" if found.source.format == "tune" else ""
    return [
        ("record", trial.trial_id, ""),
        ("workload", f"{found.workload.name} ({trial.workload_id[:12]})", workload),
        ("target", found.target.text, ""),
        ("machine", found.hardware.name, ""),
        ("outcome", trial.outcome.value.replace("_", " "), ""),
        *([("error", trial.error, "")] if trial.error else []),
        *(
            [("median latency", duration(trial.run_secs_median), ""), ("repeats", _repeats(trial.run_secs), "")]
            if trial.run_secs
            else []
        ),
        ("verified", _verdict(found.verdict), ""),
        *([("conditions", trial.conditions, "")] if trial.conditions != "{}" else []),
        ("measured", "unknown" if trial.measured_at is None else f"{trial.measured_at:%Y-%m-%d %H:%M:%S} UTC", ""),
        ("source", f"{found.source.uri}, trial {trial.position + 1:,}", run),
        ("sent by", ", ".join(senders) or "nobody: it is this store's own", ""),
    ]


def _repeats(run_secs: tuple[float, ...]) -> str:
    if len(run_secs) == 1:
        return "1"
    return f"{len(run_secs)}, from {duration(min(run_secs))} to {duration(max(run_secs))}"


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "unknown: nothing has compared it with the untuned program"
    found = "agrees with" if verdict.agrees else "DIFFERS from"
    return (
        f"{found} the untuned program: deviation {verdict.deviation:.2g}, allowed {verdict.allowed_deviation:.2g}, "
        f"with {verdict.arguments} arguments, TVM {verdict.tvm_version}, {verdict.found_at:%Y-%m-%d}"
    )
