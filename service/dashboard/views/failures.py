"""Why trials failed, and what became of candidates before they were trials: the funnel from sampled to ran."""

from __future__ import annotations

from collections import Counter, defaultdict

import altair as alt
import pyarrow as pa

from search.funnels import kept
from service.dashboard.digest import Digest, digest
from service.dashboard.panel import Filters, Panel, View
from service.dashboard.views.selection import num_failed, num_trials, place, selected
from tunedb.query.runs import resolve_run, tuning_runs
from tunedb.records import Outcome, TrialGroup
from tunedb.store.contract import Store
from tunedb.units import count

_CAUSES = [outcome.value for outcome in Outcome if outcome is not Outcome.OK]
_COLORS = ("#c2568f", "#d9772b", "#7a6fd0", "#3b82c4", "#2a9d77", "#8f7a1f")
_MOST_PLACES = 20
_MOST_RUNS = 50  # whose funnels are added up
_MOST_MESSAGES = 25
_LETTERS = 120  # of an error's first line
_STAGES = ("sampled", "valid", "built", "ran")


def _build(store: Store, filters: Filters) -> list[Panel]:
    found = digest(store)
    groups = selected(store, found, filters)
    return [_causes(found, groups), *_funnel(store, found, groups, filters), _messages(store, groups)]


def _causes(found: Digest, groups: list[TrialGroup]) -> Panel:
    by_place: dict[str, list[TrialGroup]] = defaultdict(list)
    for row in groups:
        by_place[place(found, row)].append(row)
    ordered = sorted(by_place.items(), key=lambda item: (-num_trials(item[1]), item[0]))
    rows = []
    for where, mine in ordered[:_MOST_PLACES]:
        total = num_trials(mine)
        failed: Counter[str] = Counter()
        for row in mine:
            failed[row.outcome.value] += row.num_trials
        rows += [(where, cause, failed[cause], total, failed[cause] / total) for cause in _CAUSES if failed[cause]]
    table = pa.table(
        {
            "place": pa.array([row[0] for row in rows], pa.string()),
            "cause": pa.array([row[1] for row in rows], pa.string()),
            "failed": pa.array([row[2] for row in rows], pa.int64()),
            "trials": pa.array([row[3] for row in rows], pa.int64()),
            "share": pa.array([row[4] for row in rows], pa.float64()),
        }
    )
    title = "Failed trials by cause"
    total, lost = num_trials(groups), num_failed(groups)
    more = len(ordered) - _MOST_PLACES
    notes = (f"{more:,} places with fewer trials left out.",) if more > 0 else ()
    if not lost:
        return Panel("causes", title, f"None of {count(total, 'trial')} failed.", table, None, notes)
    causes: Counter[str] = Counter()
    for row in groups:
        if row.outcome is not Outcome.OK:
            causes[row.outcome.value] += row.num_trials
    first, number = causes.most_common(1)[0]
    summary = (
        f"{lost:,} of {count(total, 'trial')} failed ({lost / total:.1%}); the commonest cause is "
        f"{first.replace('_', ' ')}, {number:,} times."
    )
    here = [cause for cause in _CAUSES if causes[cause]]
    colors = [_COLORS[_CAUSES.index(cause)] for cause in here]
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of the trials there", axis=alt.Axis(format="~%", tickCount=6)),
            y=alt.Y("place:N", title=None, sort=None),
            color=alt.Color(
                "cause:N",
                title=None,
                sort=here,
                scale=alt.Scale(domain=here, range=colors),
                legend=alt.Legend(orient="bottom", columns=4),
            ),
            tooltip=["place:N", "cause:N", "failed:Q", "trials:Q", alt.Tooltip("share:Q", format=".2%")],
        )
        .properties(width=560, height=alt.Step(28))
    )
    return Panel("causes", title, summary, table, chart, notes)


def _funnel(store: Store, found: Digest, groups: list[TrialGroup], filters: Filters) -> list[Panel]:
    """What became of the candidates of the newest runs."""
    here = {row.source_id for row in groups}
    runs = [resolve_run(store, filters.run)] if filters.run is not None else tuning_runs(store)
    wanted = [run.source_id for run in runs if run.source_id in here][-_MOST_RUNS:]
    workloads = {row.workload_id for row in groups}
    stages: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    told = untold = 0
    for source_id in wanted:
        tasks = [task for task in kept(store, source_id) if task.workload_hash in workloads]
        for task in tasks:
            if task.sampled is None or task.valid is None:
                untold += 1
                continue
            told += 1
            stages.update({"sampled": task.sampled, "valid": task.valid, "built": task.built, "ran": task.ran})
            refused.update(task.refused or {})
    title = "From sampled candidates to measured ones"
    notes = [f"The newest {_MOST_RUNS} runs are added up."] if len(wanted) == _MOST_RUNS else []
    if untold:
        notes.append(f"{count(untold, 'task')} left out: their strategy does not tell.")
    if not told:
        table = pa.table({"stage": pa.array([], pa.string()), "candidates": pa.array([], pa.int64())})
        text = "No run here has told what became of its candidates."
        return [Panel("funnel", title, text, table, None, tuple(notes))]
    table = pa.table({"stage": list(_STAGES), "candidates": [stages[name] for name in _STAGES]})
    summary = (
        f"{stages['sampled']:,} candidates sampled by {count(told, 'task')}, {stages['valid']:,} of them valid; "
        f"{stages['built']:,} were built and {stages['ran']:,} ran."
    )
    funnel = Panel("funnel", title, summary, table, _bars(table, "stage", "candidates", list(_STAGES)), tuple(notes))
    if not refused:
        return [funnel]
    names = [name for name, _ in refused.most_common()]
    reasons = pa.table({"refused_by": names, "candidates": [refused[name] for name in names]})
    text = f"{names[0]} refused the most: {refused[names[0]]:,} of {sum(refused.values()):,}."
    return [
        funnel,
        Panel("refused", "What refused candidates", text, reasons, _bars(reasons, "refused_by", "candidates", names)),
    ]


def _bars(table: pa.Table, name: str, value: str, order: list[str]) -> alt.LayerChart:
    base = alt.Chart(table).encode(
        x=alt.X(f"{value}:Q", title=value, axis=alt.Axis(format="~s", tickCount=6)),
        y=alt.Y(f"{name}:N", title=None, sort=order),
    )
    numbers = base.mark_text(align="left", dx=4).encode(text=alt.Text(f"{value}:Q", format=","))
    made: alt.LayerChart = (base.mark_bar() + numbers).properties(width=560, height=alt.Step(28))
    return made


def _messages(store: Store, groups: list[TrialGroup]) -> Panel:
    """The commonest first lines of errors."""
    sources = sorted({row.source_id for row in groups if row.outcome is not Outcome.OK})
    workloads = {row.workload_id for row in groups if row.outcome is not Outcome.OK}
    targets = {row.target_id for row in groups}
    rows: list[tuple[str, str, int]] = []
    if sources:
        asked = (
            f"SELECT outcome, left(split_part(error, chr(10), 1), {_LETTERS}) AS message, workload_id, target_id, "
            f"source_id, count(*) FROM trials WHERE outcome <> 'ok' GROUP BY ALL"
        )
        counted: Counter[tuple[str, str]] = Counter()
        wanted = set(sources)
        for outcome, message, workload_id, target_id, source_id, number in store.sql(asked).rows:
            if source_id in wanted and workload_id in workloads and target_id in targets:
                counted[outcome, message] += number
        rows = [(*key, number) for key, number in counted.most_common(_MOST_MESSAGES)]
    table = pa.table(
        {
            "cause": pa.array([row[0] for row in rows], pa.string()),
            "message": pa.array([row[1] or "(none told)" for row in rows], pa.string()),
            "trials": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    summary = f"The commonest is told {rows[0][2]:,} times." if rows else "No trial failed."
    return Panel("messages", "What failed trials say", summary, table)


VIEW = View("failures", "Failures and funnel", "Tuning", (), _build)
