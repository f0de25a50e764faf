"""The plots of a page: each a chart with the very data that it draws as a table, and why one is left out.

A chart is Altair's; nothing here decides what colours a page has, nor writes a file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search.pages.subject import Curve, Subject
from tunedb.units import duration

COLORS = ("#3b82c4", "#d9772b", "#2a9d77", "#c2568f", "#8f7a1f", "#7a6fd0")
"""Of at least 3 to 1 on white and on the page's dark ground."""
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2])
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_WIDTH, _HEIGHT = 600, 300
_MOST_BARS = 12
_MOST_NAMED = 6  # tasks that have a colour and shape of their own
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot and its data."""

    slug: str  # for a file's name
    title: str
    chart: Any  # altair.Chart
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A plot that there is not."""

    title: str
    why: str


def plots(found: Sequence[Subject]) -> Iterator[Plot | LeftOut]:
    """All plots of a page, in their order."""
    yield from _progress(found)
    for subject in found:
        yield _shares(subject)
    for title, make, problems in (
        ("Predictions against measurements", _guesses, [one.guesses.problem for one in found]),
        ("Roofline", _roofline, [one.roof.problem for one in found]),
    ):
        if len(found) > 1 and all(problems) and len(set(problems)) == 1:
            yield LeftOut(title, problems[0])
        else:
            yield from map(make, found)


def _progress(found: Sequence[Subject]) -> Iterator[Plot | LeftOut]:
    """Best so far against trials and against time, a pair for each thing that was made faster."""
    curves = [curve for subject in found for curve in subject.curves]
    for key, of in {curve.key: curve.of for curve in reversed(curves)}.items():
        mine = [curve for curve in curves if curve.key == key and curve.points]
        if not mine:
            yield LeftOut(f"Best so far: {of}", "no trial succeeded")
            continue
        yield _curves(of, mine, "trials")
        yield _curves(of, mine, "secs")
    if not curves:
        yield LeftOut("Best so far", "nothing was measured")


def _curves(of: str, curves: Sequence[Curve], against: str) -> Plot:
    altair = _altair()
    scale, unit = _unit([point.best_secs for curve in curves for point in curve.points])
    values: list[dict[str, Any]] = []
    rows = []
    for curve in curves:
        ends = [point.trials if against == "trials" else point.secs for point in curve.points]
        for x, point in zip(ends, curve.points, strict=True):
            values.append({"x": x, "y": point.best_secs / scale, "run": curve.label})
            rows.append((curve.label, str(point.trials), f"{point.secs:.1f}", duration(point.best_secs)))
        last = curve.end_trials if against == "trials" else curve.end_secs
        if last > ends[-1]:
            values.append({"x": last, "y": curve.points[-1].best_secs / scale, "run": curve.label})
    names = [curve.label for curve in curves]
    lows, highs = min(value["y"] for value in values), max(value["y"] for value in values)
    what = "trials" if against == "trials" else "seconds"
    legend = altair.Legend(orient="bottom", columns=2, labelLimit=_WIDTH // 2, symbolStrokeWidth=0)
    base = altair.Chart(altair.Data(values=values)).encode(
        x=altair.X("x:Q", title=what),
        y=altair.Y(
            "y:Q",
            title=f"best so far ({unit})",
            scale=altair.Scale(type="log", domain=[lows / 1.1, highs * 1.1], nice=False),
            axis=altair.Axis(tickCount=6, format="~g"),
        ),
        color=altair.Color("run:N", title=None, sort=names, scale=_scale(altair, names, COLORS), legend=legend),
    )
    dashed = altair.StrokeDash("run:N", title=None, sort=names, scale=_scale(altair, names, _DASHES))
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(strokeDash=dashed)
    dots = base.mark_point(filled=True, size=45, opacity=1).encode(
        shape=altair.Shape("run:N", title=None, sort=names, scale=_scale(altair, names, _SHAPES))
    )
    chart = (line + dots).properties(width=_WIDTH, height=_HEIGHT)
    title = f"Best so far against {'trials' if against == 'trials' else 'time'}: {of}"
    return Plot(_slug(title), title, chart, ("run", "trials", "seconds", "best so far"), tuple(rows))


def _shares(subject: Subject) -> Plot | LeftOut:
    """How much of the network's time each task has, as bars."""
    title = f"Where the time goes: {subject.label}"
    known = [task for task in subject.tasks if task.best_secs is not None and task.weight is not None]
    if len(subject.tasks) < 2:
        return LeftOut(title, "it is one task, which has all of it")
    if not known:
        return LeftOut(title, "nothing says how often each task is called, or none has a measurement")
    altair = _altair()
    secs = {task: (task.weight or 0.0) * (task.best_secs or 0.0) for task in known}
    whole = sum(secs.values())
    ranked = sorted(known, key=lambda task: -secs[task])
    rows = [
        (
            task.name,
            f"{task.weight:g}",
            duration(task.best_secs),
            duration(secs[task]),
            f"{secs[task] / whole:.1%}",
        )
        for task in ranked
    ]
    bars = [(task.name, secs[task]) for task in ranked[:_MOST_BARS]]
    if others := ranked[_MOST_BARS:]:
        bars.append((f"{len(others)} other tasks", sum(secs[task] for task in others)))
    values = [
        {"task": name, "share": cost / whole, "text": f"{cost / whole:.1%}, {duration(cost)}"} for name, cost in bars
    ]
    right = min(1.0, 1.25 * max(cost for _, cost in bars) / whole)  # leaves room for the texts
    base = altair.Chart(altair.Data(values=values)).encode(
        x=altair.X(
            "share:Q",
            title="share of the time of these tasks",
            axis=altair.Axis(format="%", tickCount=6),
            scale=altair.Scale(domain=[0, right]),
        ),
        y=altair.Y("task:N", title=None, sort=None, axis=altair.Axis(labelLimit=280)),
    )
    boxes = base.mark_bar(color=COLORS[0])
    texts = base.mark_text(align="left", dx=4).encode(text="text:N")
    chart = (boxes + texts).properties(width=_WIDTH - 160, height=22 * len(values))
    headers = ("task", "calls", "best", "all calls", "share")
    return Plot(_slug(title), title, chart, headers, tuple(rows))


def _guesses(subject: Subject) -> Plot | LeftOut:
    """Each good trial as the model predicts it, against what was measured."""
    title = f"Predictions against measurements: {subject.label}"
    found = subject.guesses
    if found.problem:
        return LeftOut(title, found.problem)
    altair = _altair()
    names, name_of = _named([one.task for one in found.guesses])
    best = {one.task: one.measured_secs for one in sorted(found.guesses, key=lambda one: -one.measured_secs)}
    values: list[dict[str, Any]] = [
        {
            "x": one.measured_secs / best[one.task],
            "y": one.predicted_secs / best[one.task],
            "task": name_of[one.task],
        }
        for one in found.guesses
    ]
    ends = [one[axis] for one in values for axis in "xy"]
    domain = [min(ends) / 1.1, max(ends) * 1.1]
    scale = altair.Scale(type="log", domain=domain, nice=False)
    axis = altair.Axis(tickCount=6, format="~g")
    legend = altair.Legend(orient="bottom", columns=1, labelLimit=_WIDTH)
    dots = (
        altair.Chart(altair.Data(values=values))
        .mark_point(filled=True, size=50, opacity=0.8)
        .encode(
            x=altair.X("x:Q", title="measured latency / the task's best", scale=scale, axis=axis),
            y=altair.Y("y:Q", title="predicted latency / the task's best", scale=scale, axis=axis),
            color=altair.Color("task:N", title=None, sort=names, scale=_scale(altair, names, COLORS), legend=legend),
            shape=altair.Shape("task:N", title=None, sort=names, scale=_scale(altair, names, _SHAPES)),
        )
    )
    line = (
        altair.Chart(altair.Data(values=[{"x": end, "y": end} for end in domain]))
        .mark_line(strokeDash=[4, 4], color="#888", strokeWidth=1)
        .encode(x=altair.X("x:Q", scale=scale), y=altair.Y("y:Q", scale=scale))
    )
    correlation = "undefined" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
    note = (
        f"Model: {found.model}. Rank correlation (Spearman's, the mean over workloads): {correlation}. The model is "
        "what the store has now, which may have learned from these very trials. It predicts relative latencies: each "
        "workload is set to its measured mean."
    )
    rows = tuple((one.task, duration(one.measured_secs), duration(one.predicted_secs)) for one in found.guesses)
    chart = (line + dots).properties(width=420, height=420)
    return Plot(_slug(title), title, chart, ("task", "measured", "predicted"), rows, note)


def _roofline(subject: Subject) -> Plot | LeftOut:
    """The best of each task below what the machine can do."""
    title = f"Roofline: {subject.label}"
    roof = subject.roof
    if roof.problem:
        return LeftOut(title, roof.problem)
    altair = _altair()
    names, name_of = _named([dot.task for dot in roof.dots])
    values = [{"x": dot.flop_per_byte, "y": dot.flop_per_sec / 1e9, "task": name_of[dot.task]} for dot in roof.dots]
    ridge = roof.flop_per_sec / roof.bytes_per_sec
    left = min(ridge / 8, min(dot.flop_per_byte for dot in roof.dots) / 2)
    right = max(ridge * 8, max(dot.flop_per_byte for dot in roof.dots) * 2)
    peak, reached = roof.flop_per_sec / 1e9, [dot.flop_per_sec / 1e9 for dot in roof.dots]
    edge: list[dict[str, Any]] = [
        {"x": left, "y": peak * left / ridge, "text": ""},
        {"x": ridge, "y": peak, "text": ""},
        {"x": right, "y": peak, "text": f"{peak:.0f} GFLOP/s"},
    ]
    bottom, top = min(peak * left / ridge, *reached) / 1.5, 2 * max(peak, *reached)
    across = altair.Scale(type="log", domain=[left, right], nice=False)
    up = altair.Scale(type="log", domain=[bottom, top], nice=False)
    legend = altair.Legend(orient="bottom", columns=1, labelLimit=_WIDTH)
    axis = altair.Axis(tickCount=6, format="~g")
    dots = (
        altair.Chart(altair.Data(values=values))
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=altair.X("x:Q", title="FLOP per byte of the arguments", scale=across, axis=axis),
            y=altair.Y("y:Q", title="GFLOP/s", scale=up, axis=axis),
            color=altair.Color("task:N", title=None, sort=names, scale=_scale(altair, names, COLORS), legend=legend),
            shape=altair.Shape("task:N", title=None, sort=names, scale=_scale(altair, names, _SHAPES)),
        )
    )
    base = altair.Chart(altair.Data(values=edge)).encode(x=altair.X("x:Q", scale=across), y=altair.Y("y:Q", scale=up))
    line = base.mark_line(color="#888", strokeWidth=2)
    text = base.mark_text(align="right", dy=-8).encode(text="text:N")
    note = (
        f"The roof is what the reference kernels reach here, times the target's cores: {peak:.0f} GFLOP/s and "
        f"{roof.bytes_per_sec / 1e9:.1f} GB/s. A task above it had a quieter machine than the kernels, keeps its "
        "arguments in a cache, or leaves out FLOP: they are counted as the untuned program writes them."
    )
    rows = tuple(
        (dot.task, f"{dot.flop_per_byte:.3g}", f"{dot.flop_per_sec / 1e9:.3g}", f"{_share(subject, dot):.1%}")
        for dot in roof.dots
    )
    headers = ("task", "FLOP/byte", "GFLOP/s", "of the roof")
    chart = (line + text + dots).properties(width=_WIDTH, height=_HEIGHT)
    return Plot(_slug(title), title, chart, headers, rows, note)


def _share(subject: Subject, dot: Any) -> float:
    roof = subject.roof
    return float(dot.flop_per_sec / min(roof.flop_per_sec, dot.flop_per_byte * roof.bytes_per_sec))


def _named(tasks: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The names of a legend, and the one for each task: the tasks beyond the first few share one."""
    unique = list(dict.fromkeys(tasks))
    if len(unique) <= _MOST_NAMED:
        return unique, {name: name for name in unique}
    rest = f"{len(unique) - _MOST_NAMED + 1} other tasks"
    name_of = {name: name if place < _MOST_NAMED - 1 else rest for place, name in enumerate(unique)}
    return list(dict.fromkeys(name_of.values())), name_of


def _scale(altair: Any, names: Sequence[str], values: Sequence[Any]) -> Any:
    """As many values as there are names; from the seventh on they come again."""
    return altair.Scale(domain=list(names), range=[values[place % len(values)] for place in range(len(names))])


def _unit(secs: Sequence[float]) -> tuple[float, str]:
    """The unit in which times have few digits, and its length in seconds."""
    middle = math.sqrt(min(secs) * max(secs))
    return next(((scale, unit) for scale, unit in _UNITS if middle >= scale), _UNITS[-1])


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:100]


def _altair() -> Any:
    import altair

    return altair
