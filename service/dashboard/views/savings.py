"""Trials saved by what was remembered, and where transfer harmed."""

from __future__ import annotations

import statistics
from typing import Any

import altair as alt

from service.dashboard.digest import digest
from service.dashboard.marks import (
    BLUE,
    GREY,
    LABEL,
    ORANGE,
    WIDTH,
    distinct,
    height_of,
    legend_below,
    log_scale,
    nothings,
    plot_of,
    rows_table,
    shortened,
)
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.scope import target_id_of, telling, workload_of
from tunedb.program.targets import target_label
from tunedb.query.savings import HARM_RATIO, MOST_RUNS, TOLERANCE, RunOfTask, Saving, runs_of_tasks, savings
from tunedb.store.contract import Store
from tunedb.units import count

_BARS, _LISTED = 30, 2_000
_SAVED, _TRANSFER, _REMEMBERED = "Trials saved", "Where transfer harmed", "Trials that runs need not make again"


def build(store: Store, filters: Filters) -> list[Panel]:
    """The panels.

    Raises:
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    workload_id = None if filters.workload is None else workload_of(store, filters).workload_id
    known = digest(store)
    target_id = target_id_of(store, filters)
    runs = runs_of_tasks(store, workload_id=workload_id, target_id=target_id, groups=known.groups)
    if filters.since is not None:
        since = filters.since
        runs = [one for one in runs if one.source.added_at is not None and one.source.added_at >= since]
    names = distinct(known.names())
    targets = {target_id: target_label(row) for target_id, row in known.targets.items()}
    warm = [one for one in runs if not one.is_cold]
    if not warm:
        why = "No tuning run of this store began with anything that was remembered."
        return nothings(why, saved=_SAVED, transfer=_TRANSFER, remembered=_REMEMBERED)
    found = savings(runs)
    if not found:
        why = (
            "No run without a prior tuned a workload that one with a prior tuned, for one target and machine: there "
            "is nothing to compare with. Such a run is `tune(..., use_prior=False)`, or of another strategy."
        )
        pairs = nothings(why, saved=_SAVED, transfer=_TRANSFER)
    else:
        rows = [_row(one, names, targets) for one in found]
        pairs = [_saved(found, rows), _transfer(found, rows)]
    return [*pairs, _remembered(warm)]


def _short(run: RunOfTask) -> str:
    return run.source.uri.removeprefix("tune:")[:8]


def _row(one: Saving, names: dict[str, str], targets: dict[str, str]) -> dict[str, Any]:
    workload = names.get(one.warm.workload_id, one.warm.workload_id)
    return {
        "pair": f"{shortened(workload, 40)}, run {_short(one.warm)}",
        "workload": workload,
        "target": targets.get(one.warm.target_id, one.warm.target_id),
        "run_id": one.warm.source.source_id,
        "strategy": one.warm.strategy,
        "cold_run_id": one.cold.source.source_id,
        "cold_strategy": one.cold.strategy,
        "aim_secs": one.aim_secs,
        "cold_trials_to_aim": one.cold_trials,
        "trials_to_aim": one.warm_trials,
        "trials_saved": one.saved,
        "ratio_at_equal_trials": one.ratio,
        "harmed": one.is_harm,
    }


def _notes(found: list[Saving]) -> list[str]:
    notes = [f"At most {MOST_RUNS} of the newest runs are looked at. Failed trials count as made."]
    unlike = sum(one.warm.strategy != one.cold.strategy for one in found)
    if unlike:
        notes.append(f"{unlike} of {len(found)} are compared with a cold run of another strategy, for want of one.")
    return notes


def _saved(found: list[Saving], rows: list[dict[str, Any]]) -> Panel:
    reached = sorted((row for row in rows if row["trials_saved"] is not None), key=lambda row: -row["trials_saved"])
    never = len(rows) - len(reached)
    missing = f"; {never} never found what the cold run found" if never else ""
    notes = _notes(found)
    table = rows_table(rows[:_LISTED], [name for name in rows[0] if name != "pair"])
    if not reached:
        summary = f"None of {count(len(rows), 'run')} with a prior found what its cold run found."
        return Panel("saved", _SAVED, summary, table, None, tuple(notes))
    saved = [row["trials_saved"] for row in reached]
    drawn = reached if len(reached) <= _BARS else reached[: _BARS // 2] + reached[-_BARS // 2 :]
    kinds = ("saved", "spent")
    chart = (
        plot_of([{**row, "kind": kinds[row["trials_saved"] < 0]} for row in drawn])
        .mark_bar()
        .encode(
            x=alt.X("trials_saved:Q", title="trials saved", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("pair:N", title=None, sort=[row["pair"] for row in drawn], axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=[BLUE, ORANGE]), legend=legend_below()
            ),
            tooltip=["pair:N", "cold_trials_to_aim:Q", "trials_to_aim:Q", "trials_saved:Q"],
        )
        .properties(width=WIDTH - 160, height=height_of(len(drawn)))
    )
    summary = (
        f"{count(len(rows), 'run of a workload', 'runs of a workload')} with a prior beside a cold one: {sum(saved):,} "
        f"trials saved in all, {statistics.median(saved):g} in the median{missing}. Aim: the cold run's best, "
        f"within {TOLERANCE:.0%}."
    )
    if len(drawn) < len(reached):
        notes.append(f"Drawn are the {_BARS // 2} largest and the {_BARS // 2} smallest of {len(reached)}.")
    return Panel("saved", _SAVED, summary, table, chart, tuple(notes))


def _transfer(found: list[Saving], rows: list[dict[str, Any]]) -> Panel:
    half = _BARS // 2
    drawn = rows if len(rows) <= _BARS else rows[:half] + rows[-half:]
    kinds = ("harmed", "no harm beyond noise")
    points = [{**row, "from": 1.0, "kind": kinds[not row["harmed"]]} for row in drawn]
    base = plot_of(points).encode(
        y=alt.Y("pair:N", title=None, sort=[row["pair"] for row in drawn], axis=alt.Axis(labelLimit=LABEL))
    )
    scale = log_scale([*(row["ratio_at_equal_trials"] for row in drawn), 1 / HARM_RATIO, HARM_RATIO])
    bars = base.mark_bar().encode(
        x=alt.X(
            "from:Q",
            title="latency with a prior over cold, after equally many trials (log scale)",
            scale=scale,
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        x2="ratio_at_equal_trials:Q",
        color=alt.Color(
            "kind:N", title=None, scale=alt.Scale(domain=list(kinds), range=[ORANGE, BLUE]), legend=legend_below()
        ),
        tooltip=["pair:N", alt.Tooltip("ratio_at_equal_trials:Q", format=".3f")],
    )
    limit = plot_of([{"at": HARM_RATIO}]).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="at:Q")
    chart = (bars + limit).properties(width=WIDTH - 160, height=height_of(len(drawn)))
    harmed = [row for row in rows if row["harmed"]]
    summary = (
        f"After equally many trials, {len(harmed)} of {count(len(rows), 'run')} with a prior are slower than their "
        f"cold run by more than noise (a ratio of {HARM_RATIO:.2f})."
    )
    if harmed:
        summary += f" The worst is {harmed[0]['pair']}, {harmed[0]['ratio_at_equal_trials']:.2f} times as slow."
    notes = _notes(found)
    if len(drawn) < len(rows):
        notes.append(f"Drawn are the {half} largest and the {half} smallest of {len(rows)}.")
    table = rows_table(rows[:_LISTED], [name for name in rows[0] if name != "pair"])
    return Panel("transfer", _TRANSFER, summary, table, chart, tuple(notes))


def _remembered(warm: list[RunOfTask]) -> Panel:
    """Trials of a run's workloads that the store had before, beside those that it made."""
    made: dict[str, list[int]] = {}
    uris = {_short(one): one.source for one in warm}
    for one in warm:
        mine = made.setdefault(_short(one), [0, 0, 0])
        mine[0] += one.num_before
        mine[1] += len(one.secs)
        mine[2] += 1
    rows: list[dict[str, Any]] = [
        {
            "run": run,
            "run_id": uris[run].source_id,
            "started_at_utc": uris[run].added_at,
            "workloads": tasks,
            "trials_remembered": before,
            "trials_made": trials,
        }
        for run, (before, trials, tasks) in made.items()
    ]
    shown = rows[-_BARS:]
    kinds = {"trials_remembered": "remembered", "trials_made": "made"}
    bars = [{"run": row["run"], "kind": said, "trials": row[key]} for row in shown for key, said in kinds.items()]
    names = [*kinds.values()]
    chart = (
        plot_of(bars)
        .mark_bar()
        .encode(
            x=alt.X("trials:Q", title="trials of the run's workloads", axis=alt.Axis(tickCount=8)),
            y=alt.Y("run:N", title=None, sort=[row["run"] for row in reversed(shown)]),
            yOffset=alt.YOffset("kind:N", sort=names),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, GREY]), legend=legend_below()
            ),
            tooltip=["run:N", "kind:N", "trials:Q"],
        )
        .properties(width=WIDTH, height=int(height_of(len(shown)) * 1.5))
    )
    before = sum(row["trials_remembered"] for row in rows)
    summary = (
        f"{count(len(rows), 'run')} with a prior began with {count(before, 'trial')} of their own workloads that the "
        f"store had, and made {sum(row['trials_made'] for row in rows):,}."
    )
    notes: tuple[str, ...] = ("Trials of similar workloads and other targets, and the model's, come on top of these.",)
    if len(shown) < len(rows):
        notes = (*notes, f"Drawn are the newest {len(shown)} of {len(rows)} runs.")
    return Panel("remembered", _REMEMBERED, summary, rows_table(rows[-_LISTED:], list(rows[0])), chart, notes)


VIEW = View("savings", "What remembering saved", "Tuning", (), telling(build, "workload", "target", "since"))
