"""The page: one HTML file with plots drawn already, light or dark as its reader has it, each with its data beneath.

Nothing is fetched and nothing runs: plots are SVG, drawn by vl-convert (the extra `report`). Whatever comes from a
store is escaped.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.pages.data import Compared, compared
from search.pages.plots import LeftOut, Plot, plots
from search.pages.subject import Subject
from tunedb.errors import UsageError
from tunedb.files import replace_file
from tunedb.units import duration

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --lost: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16191d; --ink: #e6e8eb; --faint: #9aa4af; --line: #3a4149; --lost: #ff8f85; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: var(--ink); background: var(--ground); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: .25rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
td.number { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
figure { margin: 1rem 0 2rem; }
figure svg { max-width: 100%; height: auto; }
figcaption, .left-out, footer { color: var(--faint); max-width: 60rem; }
.lost { color: var(--lost); font-weight: 600; }
summary { cursor: pointer; color: var(--faint); }
"""
_INK, _DARK, _WHITE = "currentColor", "#1f2328", "#ffffff"
_NUMBER = re.compile(r"-|[-+]?[\d.,]+(?:e[-+]?\d+)?(?: ?(?:%|ns|us|ms|s))?")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    page: Path
    images: tuple[Path, ...]
    plots: tuple[Plot, ...]
    left_out: tuple[LeftOut, ...]


def check_installed() -> None:
    """Whether plots can be drawn.

    Raises:
        UsageError: The extra is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401  (what draws them)
    except ImportError as error:
        raise UsageError("a report needs Altair and vl-convert: pip install 'tunedb[report]'") from error
    altair.data_transformers.disable_max_rows()


def write_page(path: Path, found: Sequence[Subject], *, heading: str, images: Path | None = None) -> Written:
    """Writes the page, in the place of one that is there.

    Args:
        path: The HTML file.
        found: What it shows.
        heading: What it is about, for people.
        images: A folder for each plot as a PNG file; None for none.

    Raises:
        UsageError: The extra is not installed.
        StoreError: A file cannot be written.
    """
    check_installed()
    every = list(plots(found))
    drawn = [one for one in every if isinstance(one, Plot)]
    left_out = [one for one in every if isinstance(one, LeftOut)]
    body = [
        f"<h1>{_text(heading)}</h1>",
        *_summaries(found),
        *_comparison(found),
        *_libraries(found),
        *(_figure(plot, number) for number, plot in enumerate(drawn)),
        *(f'<p class="left-out">{_text(one.title)}: left out: {_text(one.why)}.</p>' for one in left_out),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(heading)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
    replace_file(path, page.encode("utf-8", "backslashreplace"))
    written = []
    if images is not None:
        for number, plot in enumerate(drawn, start=1):
            image = images / f"{number:02d}-{plot.slug}.png"
            replace_file(image, _png(plot))
            written.append(image)
    return Written(path, tuple(written), tuple(drawn), tuple(left_out))


def _summaries(found: Sequence[Subject]) -> Iterable[str]:
    """A column for each subject, a row for each fact; those that differ stand out by a mark."""
    yield "<h2>Runs</h2>"
    names = list(dict.fromkeys(name for subject in found for name, _ in subject.facts))
    headers = ["", *(subject.label for subject in found)]
    rows = []
    for name in names:
        values = [dict(subject.facts).get(name, "-") for subject in found]
        rows.append([name, *values])
    yield _table(headers, rows)


def _comparison(found: Sequence[Subject]) -> Iterable[str]:
    """The final best of each workload in each subject, and its ratio to the first."""
    rows = compared(found)
    if len(found) < 2 or not rows:
        return
    yield "<h2>Runs compared</h2>"
    yield (
        '<p class="left-out">The best of each workload, and its ratio to the first run that has it: above 1 it is '
        "slower. The largest ratios come first. Where target, machine or conditions differ there is no ratio.</p>"
    )
    headers = ["workload", *(subject.label for subject in found)]
    yield _table(headers, [[row.name, *_cells(row)] for row in rows])


def _cells(row: Compared) -> list[str]:
    return [
        "-" if secs is None else duration(secs) + ("" if ratio is None else f" ({ratio:.2f})")
        for secs, ratio in zip(row.best_secs, row.ratios, strict=True)
    ]


def _libraries(found: Sequence[Subject]) -> Iterable[str]:
    """Arms of a bench: what their libraries take, losses first, and what failed."""
    for subject in found:
        if subject.error:
            yield f'<p class="lost">FAILED: {_text(subject.label)}: {_text(subject.error)}</p>'
    timed = [one for one in found if one.latency_secs is not None]
    if timed:
        yield "<h2>Whole networks, run in turn</h2>"
        timed.sort(key=lambda one: -(one.ratio or 0.0))
        rows = [
            [one.label, duration(one.latency_secs), "-" if one.ratio is None else f"{one.ratio:.3f}"] for one in timed
        ]
        yield _table(["arm", "latency", "ratio to the network's first arm"], rows)


def _figure(plot: Plot, number: int) -> str:
    note = f"<figcaption>{_text(plot.note)}</figcaption>" if plot.note else ""
    return (
        f"<h2>{_text(plot.title)}</h2><figure>{_svg(plot, number)}{note}"
        f"<details><summary>data</summary>{_table(plot.headers, plot.rows)}</details></figure>"
    )


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(header)}</th>' for header in headers)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = ' class="number"' if _NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{_text(text)}</td>"


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _svg(plot: Plot, number: int) -> str:
    """A plot in the page's own ink, with names of its own where several stand in one page."""
    drawn = io.StringIO()
    _dressed(plot.chart, _INK, "transparent").save(drawn, format="svg")
    svg = re.sub(r"^.*?(?=<svg)", "", drawn.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="plot{number}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#plot{number}-\1)", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{_text(plot.title)}"', 1)


def _png(plot: Plot) -> bytes:
    """A plot by itself: on white, with its title."""
    drawn = io.BytesIO()
    chart = plot.chart.properties(title={"text": plot.title, "anchor": "start", "fontSize": 13})
    _dressed(chart, _DARK, _WHITE).save(drawn, format="png", scale_factor=2)
    return drawn.getvalue()


def _dressed(chart: Any, ink: str, ground: str) -> Any:
    font = "sans-serif"
    return (
        chart.configure(background=ground, font=font)
        .configure_axis(
            labelColor=ink, titleColor=ink, domainColor=ink, tickColor=ink, gridColor="#8884", labelFontSize=12
        )
        .configure_legend(labelColor=ink, titleColor=ink, labelFontSize=12)
        .configure_text(color=ink, fontSize=12)
        .configure_view(stroke=None)
    )
