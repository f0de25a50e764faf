"""A machine's health: what its reference kernels reached over the weeks."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import altair as alt

from service.dashboard.marks import (
    HEIGHT,
    MOST_NAMED,
    WIDTH,
    distinct,
    legend_below,
    nothing,
    palette,
    plot_of,
    shapes,
    table_of,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import machine_label, target_id_of, telling
from tunedb.program.targets import target_label
from tunedb.query.machine_health import KernelSpeed, kernel_speeds
from tunedb.store.contract import Store
from tunedb.units import count

_FALL = 0.9  # of a machine's own median, below which a stretch is told of
_KINDS = (
    (True, "arithmetic", "Arithmetic over time", "GFLOP/s"),
    (False, "memory", "Memory bandwidth over time", "GB/s"),
)


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels: one of arithmetic, one of memory.

    Raises:
        NotFoundError: the store has no such target.
        AmbiguousPrefixError: more than one is meant.
    """
    return health(store, kernel_speeds(store, since=filters.since, target_id=target_id_of(store, filters)))


def health(store: Store, speeds: Sequence[KernelSpeed], name: str = "health") -> list[Panel]:
    """Panels of what reference kernels reached.

    Args:
        store: what the ids are of.
        speeds: what was reached.
        name: what the panels' names begin with.
    """
    targets = {row.target_id: target_label(row) for row in store.targets()}
    machines = {row.hardware_id: machine_label(row) for row in store.hardware()}
    pairs = {(row.hardware_id, row.target_id) for row in speeds}
    labels = distinct({" ".join(pair): f"{machines[pair[0]]}, {targets[pair[1]]}" for pair in sorted(pairs)})
    return [
        _over_time(f"{name}-{kind}", title, unit, [row for row in speeds if row.is_arithmetic is which], labels)
        for which, kind, title, unit in _KINDS
    ]


def _over_time(name: str, title: str, unit: str, speeds: Sequence[KernelSpeed], labels: dict[str, str]) -> Panel:
    if not speeds:
        why = "No reference kernel was measured here: every tuning run measures them between its batches."
        return nothing(name, title, why)
    series: dict[str, list[KernelSpeed]] = defaultdict(list)
    for row in speeds:
        series[labels[f"{row.hardware_id} {row.target_id}"]].append(row)
    ranked = sorted(series, key=lambda label: (-sum(row.num_trials for row in series[label]), label))
    shown = ranked[:MOST_NAMED]
    rows: list[dict[str, Any]] = []
    falls: list[tuple[float, str]] = []
    for label in shown:
        usual = statistics.median(row.median_per_sec for row in series[label])
        for row in series[label]:
            share = row.median_per_sec / usual
            rows.append(
                {
                    "machine": label,
                    "from": row.at,
                    "median": row.median_per_sec / 1e9,
                    "best": row.best_per_sec / 1e9,
                    "share": share,
                    "trials": row.num_trials,
                }
            )
            falls.append((share, f"{label} at {row.at:%Y-%m-%d %H:%M} UTC"))
    table = table_of(
        {
            "machine": [row["machine"] for row in rows],
            "from_utc": [row["from"] for row in rows],
            "seconds": [speeds[0].step_secs] * len(rows),
            "measurements": [row["trials"] for row in rows],
            f"median_{_column(unit)}": [row["median"] for row in rows],
            f"best_{_column(unit)}": [row["best"] for row in rows],
            "share_of_own_median": [row["share"] for row in rows],
        }
    )
    worst, where = min(falls)
    fallen = sum(share < _FALL for share, _ in falls)
    places = count(len(shown), "machine and target", "machines and targets")
    summary = (
        f"{count(sum(row['trials'] for row in rows), 'measurement')} on {places}. "
        f"The slowest stretch reached {worst:.0%} of its machine's median ({where}); {fallen} of {len(falls)} "
        f"stretches fell below {_FALL:.0%}."
    )
    notes = [f"Per core. A stretch is {_stretch(speeds[0].step_secs)}; the line is at a machine's own median."]
    if len(ranked) > len(shown):
        notes.append(f"{count(len(ranked) - len(shown), 'machine')} with fewer measurements left out.")
    return Panel(name, title, summary, table, _chart(rows, shown, unit), tuple(notes))


def _chart(rows: list[dict[str, Any]], names: list[str], unit: str) -> Any:
    base = plot_of(rows).encode(
        x=alt.X("from:T", title="measured at (UTC)", scale=alt.Scale(type="utc"), axis=alt.Axis(tickCount=7)),
        y=alt.Y(
            "share:Q",
            title="of the machine's own median",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format="~%", tickMinStep=0.01),
        ),
        color=alt.Color("machine:N", title=None, sort=names, scale=palette(names), legend=legend_below(1)),
        tooltip=[
            "machine:N",
            alt.Tooltip("from:T", format="%Y-%m-%d %H:%M:%S"),
            alt.Tooltip("median:Q", title=f"median {unit}", format=".4g"),
            alt.Tooltip("best:Q", title=f"best {unit}", format=".4g"),
            "trials:Q",
        ],
    )
    line = base.mark_line(strokeWidth=1.2, opacity=0.7)
    dots = base.mark_point(filled=True, size=45, opacity=1).encode(
        shape=alt.Shape("machine:N", title=None, sort=names, scale=shapes(names))
    )
    return (line + dots).properties(width=WIDTH, height=HEIGHT - 60)


def _column(unit: str) -> str:
    return unit.lower().replace("/s", "_per_sec")


def _stretch(secs: int) -> str:
    for length, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if secs % length == 0:
            return count(secs // length, word)
    return count(secs, "second")


VIEW = View("machines", "Health of machines", "Machines", (), telling(build, "target", "since"))
