"""An evaluation as a page to look at: tables and plots in one HTML file that needs no network.

Needs the extra `report` (Altair, and vl-convert, which brings the plots' JavaScript along).
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodels import metrics
from costmodels.evaluation.splits import METRICS, Evaluation, Figure, Point, Ranking
from tunedb.errors import UsageError

_LARGEST_K = 32
_POINTS = 3000  # of the scatter plot
_LEVELS = tuple(np.round(np.arange(0.1, 1.0, 0.1), 2))
_WIDTH, _HEIGHT = 420, 300
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
small { color: #666; }
"""


def write_report(
    path: str | Path, evaluation: Evaluation, curve: Sequence[Point], *, default: str, heading: str
) -> None:
    """Writes the page.

    Args:
        path: the HTML file.
        evaluation: what to show.
        curve: the default model's learning curve; may be empty.
        default: name of the model that predictions and calibration are shown of.
        heading: what was evaluated, for people.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401  (what `inline` needs)
    except ImportError as error:
        raise UsageError("a report needs Altair and vl-convert: pip install 'tunedb[report]'") from error
    altair.data_transformers.disable_max_rows()
    rows = [
        altair.hconcat(
            _top_k(altair, evaluation.rankings), _calibration(altair, evaluation.rankings, default)
        ).resolve_scale(color="independent"),
        _scatter(altair, evaluation.rankings, default),
    ]
    if curve:
        rows.append(_learning(altair, curve))
    page = altair.vconcat(*rows).resolve_scale(color="independent").to_html(inline=True)
    title = html.escape(heading)
    head = f"<title>{title}</title><style>{_STYLE}</style>"
    body = f"<h1>{title}</h1>{_tables(evaluation, default)}"
    page = page.replace("</head>", f"{head}</head>", 1).replace("<body>", f"<body>{body}", 1)
    Path(path).write_text(page, encoding="utf-8")


def _tables(evaluation: Evaluation, default: str) -> str:
    parts = []
    means = [row for row in evaluation.figures if row.workload_id is None]
    for split in dict.fromkeys(row.split for row in means):
        for target_id in dict.fromkeys(row.target_id for row in means if row.split == split):
            of_both = [row for row in means if (row.split, row.target_id) == (split, target_id)]
            number = len(
                {r.workload_id for r in evaluation.figures if (r.split, r.target_id) == (split, target_id)} - {None}
            )
            parts.append(
                f"<h2>{html.escape(split)}</h2><p>target {target_id[:12]}, {number} workloads unseen</p><table>"
            )
            parts.append(f"<tr><th>model</th>{''.join(f'<th>{name}</th>' for name in METRICS)}</tr>")
            for model in dict.fromkeys(row.model for row in of_both):
                of_model = {row.metric: row for row in of_both if row.model == model}
                cells = "".join(_cell(of_model.get(name)) for name in METRICS)
                name = f"<b>{html.escape(model)}</b>" if model == default else html.escape(model)
                parts.append(f"<tr><td>{name}</td>{cells}</tr>")
            parts.append("</table>")
    return "".join(parts) + "<p><small>Means over workloads; below them 90% bootstrap intervals.</small></p>"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "<td>-</td>"
    return f"<td>{figure.value:.3f}<br><small>{figure.low:.2f}-{figure.high:.2f}</small></td>"


def _top_k(altair: Any, rankings: Sequence[Ranking]) -> Any:
    """Best of the first k, over the pool's best, against k."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for ranking in rankings:
        for k in range(1, _LARGEST_K + 1):
            value = metrics.top_k(ranking.pool.scores, ranking.predicted.mean, k)
            found.setdefault((ranking.split, ranking.model, k), []).append(value)
    values = [
        {"split": split, "model": model, "k": k, "value": float(np.mean(of_k))}
        for (split, model, k), of_k in found.items()
    ]
    return (
        altair.Chart(altair.Data(values=values), title="Best of the first k", width=_WIDTH, height=_HEIGHT)
        .mark_line()
        .encode(
            x=altair.X("k:Q", title="k", scale=altair.Scale(type="log", nice=False)),
            y=altair.Y("value:Q", title="best latency / best of the first k", scale=altair.Scale(zero=False)),
            color=altair.Color("model:N", title="model"),
            strokeDash=altair.StrokeDash("split:N", **_split_legend(altair, {row["split"] for row in values})),
            tooltip=["split:N", "model:N", "k:Q", altair.Tooltip("value:Q", format=".3f")],
        )
    )


def _split_legend(altair: Any, splits: Collection[object]) -> dict[str, Any]:
    """A legend where there is something to tell apart."""
    return {"title": "split", "legend": altair.Legend() if len(splits) > 1 else None}


def _calibration(altair: Any, rankings: Sequence[Ranking], default: str) -> Any:
    """How many candidates lie within an interval, against how many should."""
    from scipy.stats import norm  # scikit-learn brings it

    values = []
    for split in dict.fromkeys(ranking.split for ranking in rankings):
        shares = []
        for ranking in rankings:
            if (ranking.split, ranking.model) == (split, default):
                errors = -np.log(ranking.pool.scores) - ranking.predicted.mean
                shares.append(np.abs(errors - errors.mean()) / ranking.predicted.std)
        inside = np.concatenate(shares) if shares else np.empty(0)
        values += [
            {"split": split, "wanted": float(level), "found": float((inside <= norm.ppf(0.5 + level / 2)).mean())}
            for level in _LEVELS
            if len(inside)
        ]
    line = (
        altair.Chart(altair.Data(values=values), title=f"Calibration of {default}", width=_WIDTH, height=_HEIGHT)
        .mark_line(point=True)
        .encode(
            x=altair.X("wanted:Q", title="interval", scale=altair.Scale(domain=[0, 1])),
            y=altair.Y("found:Q", title="share of candidates inside", scale=altair.Scale(domain=[0, 1])),
            color=altair.Color("split:N", **_split_legend(altair, {row["split"] for row in values})),
        )
    )
    diagonal = (
        altair.Chart(altair.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
        .mark_line(color="#999", strokeDash=[4, 4])
        .encode(x="a:Q", y="b:Q")
    )
    return line + diagonal


def _scatter(altair: Any, rankings: Sequence[Ranking], default: str) -> Any:
    """Predicted against measured, of the first split."""
    first = next((ranking.split for ranking in rankings), "")
    points = []
    for ranking in rankings:
        if (ranking.split, ranking.model) != (first, default):
            continue
        shift = float(np.mean(-np.log(ranking.pool.scores) - ranking.predicted.mean))
        points += [
            {
                "family": ranking.pool.family,
                "workload": ranking.pool.name,
                "measured": float(1 / score),
                "predicted": float(np.exp(mean + shift)),
            }
            for score, mean in zip(ranking.pool.scores, ranking.predicted.mean, strict=True)
        ]
    chosen = np.random.default_rng(0).permutation(len(points))[:_POINTS]
    title = f"{default}, {first}: latency over the workload's best"
    return (
        altair.Chart(altair.Data(values=[points[place] for place in chosen]), title=title, width=2 * _WIDTH, height=400)
        .mark_circle(size=14, opacity=0.5)
        .encode(
            x=altair.X("measured:Q", title="measured", scale=altair.Scale(type="log", domain=[1, 1000], clamp=True)),
            y=altair.Y("predicted:Q", title="predicted", scale=altair.Scale(type="log")),
            color=altair.Color("family:N", title="operator"),
            tooltip=["workload:N", "measured:Q", "predicted:Q"],
        )
    )


def _learning(altair: Any, curve: Sequence[Point]) -> Any:
    """Figures against the number of trials learned from."""
    shown = ("top1", "top5", "top16", "pairwise")
    values = [
        {"trials": point.num_trials, "metric": point.metric, "value": point.value}
        for point in curve
        if point.metric in shown
    ]
    return (
        altair.Chart(altair.Data(values=values), title="Learning curve", width=2 * _WIDTH, height=_HEIGHT)
        .mark_line(point=True)
        .encode(
            x=altair.X("trials:Q", title="trials learned from", scale=altair.Scale(type="log")),
            y=altair.Y("value:Q", title="mean over workloads unseen", scale=altair.Scale(zero=False)),
            color=altair.Color("metric:N", title="metric"),
        )
    )
