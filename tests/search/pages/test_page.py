"""The page: one file that fetches nothing, escapes what is strange, and has each plot's data."""

from __future__ import annotations

import builtins
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from search.pages.page import check_installed, write_page
from search.pages.plots import LeftOut, Plot, plots
from search.pages.subject import Curve, Dot, Guess, Guesses, Roof, Subject, TaskFigure
from tunedb.errors import StoreError, UsageError
from tunedb.query.best_so_far import Point

EVIL = "<script src='http://evil.example/x.js'></script>&\""


def subject(label: str, *, number: int = 3, **changes: Any) -> Subject:
    tasks = tuple(TaskFigure(f"w{n}", f"conv2d {n} {EVIL}", float(n + 1), 4, 1, 1e-3 / (n + 1)) for n in range(number))
    points = (Point(1, 2.0, 5e-3), Point(3, 6.0, 1e-3))
    fields: dict[str, Any] = {
        "scope": ("here",),
        "facts": (("target", EVIL), ("trials", "4")),
        "curves": (Curve(label, f"net {EVIL}", "net", points, 8, 20.0),),
        "tasks": tasks,
        "guesses": Guesses("a model", tuple(Guess(t.name, 1e-3, 2e-3 + n) for n, t in enumerate(tasks)), 0.5),
        "roof": Roof(1e11, 1e10, tuple(Dot(t.name, 2.0 + n, 1e9 + n) for n, t in enumerate(tasks))),
    }
    return Subject(label, **{**fields, **changes})


class Parsed(HTMLParser):
    """Tags with their attributes, and whether they are closed as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "new" / "page.html"
    found = [subject("bo"), subject("random", error=EVIL, latency_secs=2e-3, ratio=2.0)]
    write_page(path, found, heading=f"{EVIL}\udcff")  # as file names may be
    return path.read_text(encoding="utf-8")


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    parsed = Parsed(page)
    assert not parsed.open
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "image", "use", "a"}
    for _, attributes in parsed.tags:
        for name, value in attributes.items():
            assert name not in {"src", "href", "xlink:href", "srcset", "data", "action", "http-equiv"}
            assert not name.startswith("on")
            if "://" in (value or ""):
                assert name in {"xmlns", "xmlns:xlink", "aria-label"}, (name, value)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(style) == 1
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {
        url for url in re.findall(r"url\(([^)]*)\)", page) if url.startswith("#")
    }


def test_it_is_light_or_dark_as_its_reader_has_it(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "currentColor" in svg
        assert 'fill="#ffffff"' not in svg
        assert 'fill="white"' not in svg


def test_each_plot_has_its_data_beneath_and_names_of_its_own(page: str) -> None:
    tags = [tag for tag, _ in Parsed(page).tags]
    # two of progress, and for each subject shares, predictions and a roofline
    assert tags.count("svg") == tags.count("details") == 8
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= set(ids)


def test_runs_are_told_apart_without_colour(page: str) -> None:
    first = re.findall(r"<svg.*?</svg>", page, re.DOTALL)[0]
    assert "stroke-dasharray" in first
    assert len({tuple(re.findall(r"[A-Za-z]", d)) for d in re.findall(r'<path[^>]* d="([^"]+)"', first)}) > 2


def test_failed_and_slow_arms_stand_there(page: str) -> None:
    assert "FAILED: random" in page
    assert "ratio to the network" in page


def test_plots_are_left_out_with_a_word_why() -> None:
    bare = subject(
        "bare",
        number=1,
        curves=(Curve("bare", "net", "net", (), 4, 9.0),),
        guesses=Guesses(problem="no model"),
        roof=Roof(problem="no kernels"),
    )
    found = list(plots([bare]))
    assert all(isinstance(one, LeftOut) for one in found)
    assert [one.why for one in found if isinstance(one, LeftOut)] == [
        "no trial succeeded",
        "it is one task, which has all of it",
        "no model",
        "no kernels",
    ]
    assert [one.why for one in plots([bare, bare]) if isinstance(one, LeftOut)].count("no model") == 1


def test_failed_trials_make_no_points_and_what_is_rest_is_one_bar() -> None:
    many = subject("many", number=30)
    found = {one.title.split(":")[0]: one for one in plots([many]) if isinstance(one, Plot)}
    progress = found["Best so far against trials"]
    assert [row[1] for row in progress.rows] == ["1", "3"]
    shares = found["Where the time goes"]
    assert len(shares.rows) == 30
    values = shares.chart.to_dict()["layer"][0]
    data = shares.chart.to_dict()["data"]["values"]
    assert values["mark"]["type"] == "bar"
    assert len(data) == 13
    assert sum(value["share"] for value in data) == pytest.approx(1.0)
    assert data[-1]["task"] == "18 other tasks"
    assert len(found["Roofline"].chart.to_dict()["layer"]) == 3


def test_images(tmp_path: Path) -> None:
    written = write_page(tmp_path / "page.html", [subject("bo")], heading="x", images=tmp_path / "plots")
    assert len(written.images) == len(written.plots) == 5
    for image in written.images:
        assert image.read_bytes().startswith(b"\x89PNG")
        assert re.fullmatch(r"[0-9]{2}-[a-z0-9-]+\.png", image.name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "plots"]


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*page.html: "):
        write_page(tmp_path / "file" / "page.html", [subject("bo")], heading="x")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def lacking(name: str, *rest: Any) -> Any:
        if name == "vl_convert":
            raise ImportError(name)
        return import_(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(UsageError, match=r"pip install 'tunedb\[report\]'"):
        check_installed()
