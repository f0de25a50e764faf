"""A workload's nearest neighbours: the same operator in other sizes, by which a search of it begins."""

from __future__ import annotations

import math
from typing import Any

import altair as alt

from service.dashboard.marks import (
    BLUE,
    LABEL,
    ORANGE,
    WIDTH,
    distinct,
    height_of,
    legend_below,
    nothing,
    plot_of,
    rows_table,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import telling, workload_of
from tunedb.query.nearest import distance
from tunedb.store.contract import Store
from tunedb.units import count

_SHOWN = 20
_TITLE = "Nearest neighbours"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panel.

    Raises:
        UsageError: no workload is named.
        NotFoundError: the store does not have it.
        AmbiguousPrefixError: more than one is meant.
    """
    mine = workload_of(store, filters)
    workload = store.workload(mine.workload_id)
    others = [(distance(workload, row), row) for row in store.workloads()]
    near = sorted(
        ((apart, row) for apart, row in others if math.isfinite(apart) and row.workload_id != mine.workload_id),
        key=lambda pair: (pair[0], pair[1].epilogue != mine.epilogue, pair[1].name),
    )
    if not near:
        why = f"No other workload of the store is a {mine.family} of {count(len(mine.extents), 'extent')}."
        return [nothing("neighbours", _TITLE, why if mine.extents else f"The extents of {mine.name} are not known.")]
    labels = distinct({row.workload_id: row.name for _, row in near})
    kinds = ("same epilogue", "other epilogue")
    rows: list[dict[str, Any]] = [
        {
            "workload": labels[row.workload_id],
            "workload_hash": row.workload_id,
            "distance_nats_per_extent": apart,
            "epilogue": row.epilogue or "none",
            "trials": row.num_trials,
            "failed": row.num_failed,
            "targets": row.num_targets,
            "best_median_secs": row.best_secs,
            "kind": kinds[row.epilogue != mine.epilogue],
        }
        for apart, row in near[:_SHOWN]
    ]
    names = [row["workload"] for row in rows]
    chart = (
        plot_of(rows)
        .mark_bar(minBandSize=4)
        .encode(
            x=alt.X(
                "distance_nats_per_extent:Q",
                title="distance: mean |log ratio| of an extent, nats",
                axis=alt.Axis(tickCount=8),
            ),
            y=alt.Y("workload:N", title=None, sort=names, axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=[BLUE, ORANGE]), legend=legend_below()
            ),
            tooltip=["workload:N", alt.Tooltip("distance_nats_per_extent:Q", format=".3f"), "trials:Q", "targets:Q"],
        )
        .properties(width=WIDTH - 120, height=height_of(len(rows)))
    )
    apart, first = near[0]
    summary = (
        f"{mine.name} has {count(len(near), 'neighbour')}. The nearest is {first.name}, "
        f"{apart:.2f} nats an extent away (a factor of {math.exp(apart):.2f}), with {count(first.num_trials, 'trial')}."
    )
    notes: tuple[str, ...] = ("A search begins with the best schedules of the nearest twelve.",)
    if len(near) > len(rows):
        notes = (*notes, f"{len(near) - len(rows)} farther ones left out.")
    columns = [name for name in rows[0] if name != "kind"]
    return [Panel("neighbours", _TITLE, summary, rows_table(rows, columns), chart, notes)]


VIEW = View("neighbours", "Nearest neighbours", "Workload", ("workload",), telling(build, "workload"))
