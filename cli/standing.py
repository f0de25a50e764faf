"""How a network's tuning stands, as a table: live while it goes on, and whole in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.output import Table
from tunedb.units import duration, elapsed, waiting

if TYPE_CHECKING:
    from search.standing import Standing, TaskStanding

_MOST_LIVE = 12  # tasks of the live table: the heaviest


def live_lines(standing: Standing) -> list[str]:
    """The heaviest tasks and the whole, for a terminal."""
    shown = standing.tasks[:_MOST_LIVE]
    rest = standing.tasks[_MOST_LIVE:]
    lines = ["", *table(standing, shown).lines()]
    if rest:
        lines.append(f"{len(rest)} more tasks: {sum(task.total_secs for task in rest) / standing.secs:.0%} of the time")
    return [*lines, summary(standing)]


def summary(standing: Standing) -> str:
    """The whole network in a line."""
    change = f"{duration(standing.before_secs)} -> {duration(standing.secs)}"
    left = "" if not standing.left_secs else f", about {waiting(standing.left_secs)} left"
    return (
        f"network, as far as its tasks tell: {change}; the next batches may save {standing.gain:.1%}; "
        f"{elapsed(standing.elapsed_secs)}{left}"
    )


def table(standing: Standing, tasks: Sequence[TaskStanding] | None = None) -> Table:
    """Tasks with their share of the network's time; what was not measured is guessed, and has a question mark.

    Args:
        standing: Of the network.
        tasks: Those that are shown; None is all.
    """
    rows = [
        [
            task.workload,
            f"{task.weight:g}",
            f"{task.total_secs / standing.secs:.1%}",
            "-" if task.before_secs is None else duration(task.before_secs),
            duration(task.secs) if task.is_measured else f"{duration(task.secs)}?",
            "-" if task.flop_per_sec is None else f"{task.flop_per_sec / 1e9:.3g}",
            "-" if task.roof_share is None else f"{task.roof_share:.0%}",
            f"{task.gain:.0%}",
            str(task.trials),
        ]
        for task in (standing.tasks if tasks is None else tasks)
    ]
    headers = ["task", "calls", "share", "before", "now", "GFLOP/s", "of the roof", "gain left", "trials"]
    return Table(headers, rows, right=frozenset(headers[1:]))
