"""`tunedb best`: the fastest records of a workload, each target by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import targets, workloads
from cli.options import Near
from cli.verb import store_verb

if TYPE_CHECKING:
    from cli.output import Answer, Table
    from cli.session import Session
    from tunedb.query.best import Best
    from tunedb.query.ranking import Ranked
    from tunedb.store.contract import Store

SUMMARY = "Print the fastest records of a workload"
EXAMPLES = (
    "tunedb best 5f3a",
    "tunedb best 5f3a --target znver5 --top 3",
    "tunedb best 5f3a --target znver4 --near",
    "tunedb best 5f3a --show script > matmul.py",
)


class Show(StrEnum):
    """What to print of each schedule."""

    TRACE = "trace"
    SCRIPT = "script"


@store_verb(as_of=True)
def command(
    run: Session,
    store: Store,
    workload: Annotated[
        str,
        typer.Argument(metavar="HASH", autocompletion=workloads, help="Prefix of a workload's hash, ours or TVM's."),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            autocompletion=targets,
            help="Only this target: id prefix, arch, or as logs write it.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="How many records of each target.")] = 1,
    show: Annotated[Show, typer.Option("--show", help="What to print of the best schedule.")] = Show.TRACE,
    conditions: Annotated[
        str, typer.Option("--conditions", metavar="JSON", help="Only what was measured under these conditions.")
    ] = "{}",
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Leave out what came over a service and only its sender has measured.")
    ] = False,
    near: Near = False,
) -> None:
    """Print the fastest records of a workload: latency, spread, hardware and trace."""
    from tunedb.identity import canonical_conditions
    from tunedb.query.best import best

    if near:
        from tunedb.errors import UsageError
        from tunedb.metaschedule.stand_ins import best_nearby

        if target is None:
            raise UsageError("--near is of a target that may have no record: give --target, too")
        found = best_nearby(store, workload, target, top, canonical_conditions(conditions), trusted=trusted)
    else:
        found = best(store, workload, target, top, canonical_conditions(conditions), trusted=trusted)
    if show is Show.SCRIPT:
        from tunedb.metaschedule.replay import with_scripts

        found = with_scripts(store, found)
    run.show(answer(found))


def answer(results: Sequence[Best]) -> Answer:
    """The results, grouped by target; the first one's keys stand at the top of the JSON form as well."""
    from cli.labels import hardware_labels, target_labels
    from cli.output import Answer
    from tunedb.documents import answers

    targets = target_labels(result.target for result in results)
    machines = hardware_labels(result.hardware for result in results if result.hardware is not None)
    text: list[str | Table] = []
    for target_id in dict.fromkeys(result.target.target_id for result in results):
        if text:
            text.append("")
        alike = [result for result in results if result.target.target_id == target_id]
        text.extend(_text(alike, targets[target_id], machines))
    return Answer(answers.best(results), text)


def _text(results: Sequence[Best], target: str, machines: Mapping[str, str]) -> list[str | Table]:
    """The records of one target; what is printed of the first is valid Python when a script is asked for."""
    from cli.labels import short, target_label, verified_label
    from cli.output import Table
    from tunedb.query.trace_text import trace_lines

    first = results[0]
    rows = [
        [
            f"{rank} =" if result.ranked.tied and len(results) > 1 else str(rank),
            *_latency(result.ranked),
            machines.get(result.trial.hardware_id, "unknown"),
            short(result.trial.trial_id),
            verified_label(result.verdict),
            _origin(result),
        ]
        for rank, result in enumerate(results, start=1)
    ]
    headers = [
        "rank",
        "latency",
        "90% interval",
        "passes",
        "median",
        "min",
        "max",
        "hardware",
        "record",
        "verified",
        "source",
    ]
    table = Table(headers, rows, right=frozenset({"rank", "latency", "passes", "median", "min", "max"}))
    heading = [
        f"workload {short(first.workload.workload_id)}  {first.workload.name}",
        f"target   {short(first.target.target_id)}  {target}",
    ]
    if first.stands_in_for is not None:
        heading.append(f"NEAR     stands in for {target_label(first.stands_in_for)}, of which nothing is known")
    if first.verdict is not None and not first.verdict.agrees:
        heading.append(f"WRONG    nothing else is known of it: {verified_label(first.verdict, told=True)}")
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


def _origin(result: Best) -> str:
    """The source of a schedule's fastest trial, and who sent it."""
    uri = result.source.uri if result.source else "-"
    if not result.senders:
        return uri
    return f"{uri} ({'foreign, ' if result.is_foreign else ''}sent by {', '.join(result.senders)})"


def _latency(ranked: Ranked) -> list[str]:
    """The pooled estimate with its interval, then the spread of the runs of the fastest trial."""
    from tunedb.units import duration

    found, runs = ranked.estimate, ranked.trial.run_secs
    interval = f"{duration(found.low_secs)} - {duration(found.high_secs)}"
    spread = [duration(secs) for secs in (ranked.trial.run_secs_median, min(runs), max(runs))]
    return [duration(found.secs), interval, str(found.num_rounds), *spread]
