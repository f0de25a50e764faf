"""`tunedb best`: the fastest records of a workload, each target by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, AsOf, Debug, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from tunedb.query.ranking import Ranked
    from tunedb.records import Hardware, Source, Target, Trial, WorkloadSummary
    from tunedb.store.contract import Store

SUMMARY = "Print the fastest records of a workload"
EXAMPLES = (
    "tunedb best 5f3a",
    "tunedb best 5f3a --target znver5 --top 3",
    "tunedb best 5f3a --show script > matmul.py",
)


class Show(StrEnum):
    """What to print of each schedule."""

    TRACE = "trace"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Result:
    """One record with what is known around it."""

    workload: WorkloadSummary
    target: Target
    hardware: Hardware | None
    source: Source | None
    ranked: Ranked
    script: str | None = None

    @property
    def trial(self) -> Trial:
        """The schedule's fastest trial."""
        return self.ranked.trial


def command(
    workload: Annotated[str, typer.Argument(metavar="HASH", help="Prefix of a workload's hash, ours or TVM's.")],
    target: Annotated[
        str | None, typer.Option("--target", metavar="T", help="Only this target: id prefix, arch or JSON.")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="How many records of each target.")] = 1,
    show: Annotated[Show, typer.Option("--show", help="What to print of the best schedule.")] = Show.TRACE,
    store: StoreUrl = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print the fastest records of a workload: latency, spread, hardware and trace."""
    with session(store, as_json, debug) as run, run.open_store(as_of=as_of) as opened:
        run.show(answer(find(opened, workload, target, top, with_script=show is Show.SCRIPT)))


def find(store: Store, prefix: str, target: str | None, top: int, *, with_script: bool = False) -> list[Result]:
    """The best records of each target, the target with the fastest one first.

    Raises:
        NotFoundError: no such workload or target, or no good record of it.
    """
    from tunedb.errors import NotFoundError
    from tunedb.query.ranking import ranked_best

    workload = store.resolve_workload(prefix)
    targets = store.targets() if target is None else [store.resolve_target(target)]
    hardware = {machine.hardware_id: machine for machine in store.hardware()}
    sources = {source.source_id: source for source in store.sources()}
    groups = []
    for candidate in targets:
        ranking = ranked_best(store, workload.workload_id, candidate.target_id, top)
        groups.append(
            [
                Result(
                    workload,
                    candidate,
                    hardware.get(ranked.trial.hardware_id),
                    sources.get(ranked.trial.source_id),
                    ranked,
                    _script(store, ranked.trial) if with_script else None,
                )
                for ranked in ranking
            ]
        )
    groups = sorted((group for group in groups if group), key=lambda group: group[0].ranked.estimate.secs)
    if not groups:
        where = f" on target {target!r}" if target else ""
        raise NotFoundError(
            f"workload {workload.name} ({prefix}) has no good trial{where}{_elsewhere(store, workload, targets)}"
        )
    return [result for group in groups for result in group]


def _elsewhere(store: Store, workload: WorkloadSummary, asked: Sequence[Target]) -> str:
    """The near-equal targets that do have good trials: they are named, and never answer."""
    from tunedb.program.targets import near

    known = store.targets()
    have = [
        f"{row.target_id[:12]} {row.text}"
        for target in asked
        for row in near(known, target)
        if store.best(workload.workload_id, row.target_id)
    ]
    return f"; near-equal targets have: {', '.join(have)}" if have else ""


def _script(store: Store, trial: Trial) -> str:
    from dataclasses import replace

    from tunedb.metaschedule.replay import release, script
    from tunedb.metaschedule.upgrade import replayable

    module, trace = replayable(store, trial, release())
    return script(module, replace(trial, trace=trace))


def record_document(trial: Trial, target: Target) -> dict[str, Any]:
    """The keys that every command gives of a record."""
    import json

    return {
        "workload_hash": trial.workload_id,
        "target": target.text,
        "target_id": target.target_id,
        "run_secs_median": trial.run_secs_median,
        "run_secs_min": min(trial.run_secs),
        "run_secs_max": max(trial.run_secs),
        "run_secs": list(trial.run_secs),
        "record_id": trial.trial_id,
        "trace": json.loads(trial.trace.to_json()),
    }


def answer(results: Sequence[Result]) -> Answer:
    """The results, grouped by target; the first one's keys stand at the top of the JSON form as well."""
    from cli.output import Answer

    documents = [_document(result) for result in results]
    text: list[str | Table] = []
    for target_id in dict.fromkeys(result.target.target_id for result in results):
        if text:
            text.append("")
        text.extend(_text([result for result in results if result.target.target_id == target_id]))
    return Answer({**documents[0], "results": documents}, text)


def _document(result: Result) -> dict[str, Any]:
    measured_at = result.trial.measured_at
    document = {
        **record_document(result.trial, result.target),
        "name": result.workload.name,
        "structural_hashes": list(result.workload.structural_hashes),
        "hardware": result.hardware.name if result.hardware else None,
        "source": result.source.uri if result.source else None,
        "measured_at": measured_at.isoformat() if measured_at else None,
        "estimate_secs": result.ranked.estimate.secs,
        "low_secs": result.ranked.estimate.low_secs,
        "high_secs": result.ranked.estimate.high_secs,
        "passes": result.ranked.estimate.num_passes,
        "tied": result.ranked.tied,
    }
    return document if result.script is None else {**document, "script": result.script}


def _text(results: Sequence[Result]) -> list[str | Table]:
    """The records of one target; what is printed of the first is valid Python when a script is asked for."""
    from cli.labels import hardware_label, short, target_label
    from cli.output import Table
    from cli.trace_text import trace_lines

    first = results[0]
    rows = [
        [
            f"{rank} =" if result.ranked.tied and len(results) > 1 else str(rank),
            *_latency(result.ranked),
            hardware_label(result.hardware),
            short(result.trial.trial_id),
            result.source.uri if result.source else "-",
        ]
        for rank, result in enumerate(results, start=1)
    ]
    headers = ["rank", "latency", "90% interval", "passes", "median", "min", "max", "hardware", "record", "source"]
    table = Table(headers, rows, right=frozenset({"rank", "latency", "passes", "median", "min", "max"}))
    heading = [
        f"workload {short(first.workload.workload_id)}  {first.workload.name}",
        f"target   {short(first.target.target_id)}  {target_label(first.target)}",
    ]
    if first.script is not None:
        return [*(f"# {line}".rstrip() for line in [*heading, "", *table.lines()]), first.script.rstrip()]
    ties = ["= cannot be told from the fastest by what was measured"] if rows[0][0].endswith("=") else []
    return [
        *heading,
        "",
        table,
        *ties,
        "",
        "trace of rank 1:",
        *(f"  {line}" for line in trace_lines(first.trial.trace)),
    ]


def _latency(ranked: Ranked) -> list[str]:
    """The pooled estimate with its interval, then the spread of the runs of the fastest trial."""
    from cli.units import duration

    found, runs = ranked.estimate, ranked.trial.run_secs
    interval = f"{duration(found.low_secs)} - {duration(found.high_secs)}"
    spread = [duration(secs) for secs in (ranked.trial.run_secs_median, min(runs), max(runs))]
    return [duration(found.secs), interval, str(found.num_passes), *spread]
