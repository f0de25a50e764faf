"""What a tuning run found, as text for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.output import Answer, Table
    from search.report import TaskReport, TuneReport
    from tunedb.query.estimates import Estimate

_NOTICED_DRIFT = 1.15


def answer(report: TuneReport) -> Answer:
    """What the run found, the heaviest task's keys at the top of the JSON form."""
    from cli.labels import target_label
    from cli.output import Answer
    from search import documents
    from tunedb.units import count, elapsed

    text: list[str | Table] = [
        f"{count(report.trials, 'trial')} in {elapsed(report.elapsed_secs)}, {report.failed} failed; "
        f"strategy {report.strategy}, seed {report.seed}, cost model: {report.prior}",
        f"target   {target_label(report.target)}",
        *(
            f"{task.name}: the cost model misled: {task.trust}"
            for task in report.tasks
            if task.trust is not None and task.trust.is_misleading
        ),
        *_reused(report),
        *(f"left out: {one.name}: {one.reason}" for one in report.left_out),
        *_funnel_lines(report.tasks),
        *_drift_lines(report),
        *_numbers_lines(report.tasks),
        "",
        *_text(report),
    ]
    return Answer(documents.tuned(report), text)


def _reused(report: TuneReport) -> list[str]:
    """How much of a network the store knew already."""
    from tunedb.units import count

    known = [task for task in report.tasks if task.before is not None]
    if len(report.tasks) < 2 or not known:
        return []
    alone = sum(not task.trials for task in known)
    return [
        f"{count(len(known), 'task')} of {len(report.tasks)} were known to the store; {alone} of them took no trial"
    ]


def _funnel_lines(tasks: Sequence[TaskReport]) -> list[str]:
    """What became of the candidates on their way to a measurement."""
    from collections import Counter

    from tunedb.units import count

    funnels = [task.funnel for task in tasks if task.funnel is not None and task.funnel.sampled]
    if not funnels:
        return []
    refused: Counter[str] = Counter()
    for funnel in funnels:
        refused.update(funnel.refused)
    causes = ", ".join(f"{name} refused {number}" for name, number in refused.most_common()) or "none was refused"
    built, ran = sum(task.built for task in tasks), sum(task.trials - task.failed for task in tasks)
    sampled = count(sum(funnel.sampled for funnel in funnels), "candidate")
    return [f"{sampled} sampled ({causes}), {built} built, {ran} ran"]


def _drift_lines(report: TuneReport) -> list[str]:
    """A warning when something else slowed the machine down."""
    if report.drift < _NOTICED_DRIFT:
        return []
    return [
        f"the machine was {report.drift:.2f} times slower in one batch than in another: is there other work on it? "
        "(the search takes it into account; latencies are stored as measured)"
    ]


def _numbers_lines(tasks: Sequence[TaskReport]) -> list[str]:
    """Whether the best compute the right thing: those of many tasks that do are told together."""
    from tunedb.units import count

    agreeing = [task.numbers for task in tasks if task.numbers is not None and task.numbers.agrees]
    lines = [line for task in tasks if (line := _numbers_line(task))]
    if len(agreeing) < 2:
        return lines
    worst = max(one.deviation or 0.0 for one in agreeing)
    told = f"the best of {count(len(agreeing), 'task')} compute what the untuned programs do (deviation {worst:.0e})"
    return [
        told,
        *(line for task in tasks if not (task.numbers and task.numbers.agrees) and (line := _numbers_line(task))),
    ]


def _numbers_line(task: TaskReport) -> str:
    """Whether the best computes the right thing; nothing to say when it was not checked."""
    found = task.numbers
    if found is None:
        return ""
    if found.agrees is None:
        return f"{task.name}: its numbers were not checked: {found.problem}"
    if found.agrees:
        return f"{task.name}: computes what the untuned program does (deviation {found.deviation:.0e})"
    return f"{task.name}: WRONG NUMBERS: deviates from the untuned program by {found.deviation:.0e}; do not use it"


def _text(report: TuneReport) -> list[str | Table]:
    from cli.labels import short
    from cli.output import Table
    from tunedb.query.trace_text import trace_lines
    from tunedb.units import duration

    rows = [
        [
            short(task.workload_hash),
            task.name,
            str(task.trials),
            str(task.failed),
            duration(task.before.secs) if task.before else "-",
            *_latency(task.latency),
            short(task.best.trial_id) if task.best else "-",
        ]
        for task in report.tasks
    ]
    headers = ["workload", "name", "trials", "failed", "before", "best", "90% interval", "passes", "record"]
    table = Table(headers, rows, right=frozenset({"trials", "failed", "before", "best", "passes"}))
    if report.standing is not None:
        from cli.standing import summary
        from cli.standing import table as standing_table

        return [table, "", standing_table(report.standing), "", summary(report.standing)]
    if len(report.tasks) != 1:
        return [table]
    task = report.tasks[0]
    if task.best is not None:
        return [table, "", "trace:", *(f"  {line}" for line in trace_lines(task.best.trace))]
    if task.predicted is not None:
        heading = "trace, predicted to be the best, compiled and not measured:"
        return [table, "", heading, *(f"  {line}" for line in trace_lines(task.predicted))]
    return [table]


def _latency(found: Estimate | None) -> list[str]:
    """The latency of a schedule with its interval, and how many passes say so."""
    from tunedb.units import duration

    if found is None:
        return ["-", "-", "-"]
    return [duration(found.secs), f"{duration(found.low_secs)} - {duration(found.high_secs)}", str(found.num_rounds)]
