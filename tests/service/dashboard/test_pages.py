"""Pages of a real service: all that they link to is there, nothing of a store becomes markup, errors are pages."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest

from service.dashboard.panel import View
from service.dashboard.registry import views
from tests.conftest import RunningService
from tests.service.dashboard.conftest import HOSTILE, Ask, linked
from tests.tunedb import samples
from tunedb import open_store
from tunedb.query.runs import tuning_runs


@pytest.fixture
def runs(filled: Path) -> list[str]:
    with open_store(filled) as store:
        return [source.source_id for source in tuning_runs(store)]


class Tags(HTMLParser):
    """What stands in a page: its tags, and attributes that would run something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers, self.styles = 0, 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.scripts += tag == "script" and "src" not in names
        self.styles += tag == "style" or "style" in names
        self.handlers += any(name.startswith("on") for name in names)


@pytest.fixture
def meant(filled: Path) -> dict[str, str]:
    """A run, one of its workloads, and its target."""
    with open_store(filled) as store:
        run = tuning_runs(store)[-1].source_id
        ((workload, target),) = store.sql(
            f"SELECT min(workload_id), min(target_id) FROM trials WHERE source_id = '{run}'"
        ).rows
    return {"run": run[:12], "workload": workload[:12], "target": target[:12]}


@pytest.mark.parametrize("view", [view for view in views() if view.name != "comparison"], ids=lambda view: view.name)
def test_a_view_and_all_that_it_refers_to(ask: Ask, view: View, meant: dict[str, str]) -> None:
    name = view.name
    page = ask(f"/dashboard/{name}?{urlencode({needed: meant[needed] for needed in view.needs})}")
    text = page.data.decode()
    assert page.status == 200 and "<main" in text, text
    tags = Tags()
    tags.feed(text)
    assert (tags.scripts, tags.handlers, tags.styles) == (0, 0, 0)
    mine = [address for address in linked(text) if address.startswith(f"/dashboard/{name}/")]
    assert mine
    for address in mine:
        if "theme=dark" in address:
            continue  # drawn as the light one is
        answer = ask(address)
        assert answer.status in (200, 204), (address, answer.data)
        if ".svg" in address:
            assert ET.fromstring(answer.data).tag.endswith("svg")  # noqa: S314 - it is our own
        if ".png" in address:
            assert answer.data.startswith(b"\x89PNG")
        if ".csv" in address:
            lines = list(csv.reader(io.StringIO(answer.data.decode())))
            rows = json.loads(ask(address.replace(".csv", ".json")).data)
            assert len(lines) == len(rows["rows"]) + 1 and lines[0] == list(rows["columns"])


def test_two_runs_are_compared(ask: Ask, runs: list[str]) -> None:
    chooser = ask("/dashboard/comparison")
    assert chooser.status == 200 and f"run={runs[0][:12]}" in chooser.data.decode()
    page = ask(f"/dashboard/comparison?run={runs[0][:12]}&other={runs[1][:12]}")
    assert page.status == 200 and "no workload in common" in page.data.decode()
    page = ask(f"/dashboard/comparison?run={runs[0][:12]}&other={runs[0][:12]}")
    assert "takes 1.000 times" in page.data.decode()


def test_what_a_store_says_is_text(ask: Ask) -> None:
    for path in ("/", "/dashboard/workloads", "/dashboard/coverage", "/dashboard/failures"):
        assert HOSTILE not in ask(path).data.decode()
    assert (
        HOSTILE.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
        in ask("/dashboard/workloads?workload=script").data.decode()
    )
    table = ask("/dashboard/failures/messages.csv").data.decode()
    assert "'=cmd|" in table and "\n=cmd" not in table and "second line" not in table


def test_a_record_has_a_page(ask: Ask) -> None:
    record = samples.trial(0, 1e-3, workload_id=samples.workload(HOSTILE).workload_id).trial_id
    page = ask(f"/dashboard/record/{record[:16]}").data.decode()
    assert record in page and "nothing has compared it" in page and "SamplePerfectTile" in page
    assert HOSTILE not in page
    assert "Not found" in ask("/dashboard/record/feedfeed").data.decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dashboard/nosuch", 404),
        ("/dashboard/overview/nosuch.csv", 404),
        ("/dashboard/overview/counts.exe", 404),
        ("/dashboard/overview/counts.svg", 404),
        ("/dashboard/assets/nosuch.js", 404),
        ("/dashboard/assets/..%2fpanel.py", 404),
        ("/dashboard/history?workload=feed", 404),
        ("/?target=nosuch", 404),
        ("/?nosuch=1", 400),
        ("/?page=-1", 400),
        ("/?page=99999999999999999999", 400),
        ("/?since=9999999", 400),
        ("/dashboard/overview/days.svg?theme=neon", 400),
        ("/dashboard/comparison/runs.csv", 400),
    ],
)
def test_errors_are_pages_for_people_and_documents_for_programs(ask: Ask, path: str, status: int) -> None:
    answer = ask(path)
    assert answer.status in (status, 422 if status == 400 else status), answer.data
    program = ask(path, Accept="application/json")
    assert program.status == answer.status
    assert "problem+json" in program.headers["Content-Type"]


def test_a_live_view_renews_itself_when_there_is_something_new(ask: Ask) -> None:
    page = ask("/dashboard/history").data.decode()
    (renewal,) = (address for address in linked(page) if "/panels?" in address)
    assert ask(renewal).status == 204
    newer = ask(renewal.replace("seen=", "seen=0"))
    assert newer.status == 200 and newer.data.decode().lstrip().startswith('<div id="panels"')
    paused = ask("/dashboard/history?live=off").data.decode()
    assert "hx-get" not in paused and "Go on" in paused


def test_long_lists_come_in_pages(ask: Ask) -> None:
    first, second = (ask(f"/dashboard/workloads?page={page}").data.decode() for page in (1, 2))
    assert "Rows 1 to 50 of 52" in first and "page=2" in first
    assert "Rows 51 to 52 of 52" in second and ">Previous<" in second and ">Next<" not in second
    assert first.count("<tr>") == 51


def test_filters_stay_in_addresses(ask: Ask) -> None:
    page = ask("/dashboard/coverage?target=znver5&since=2026-08-01").data.decode()
    assert 'value="znver5" selected' in page and 'value="2026-08-01"' in page
    files = [address for address in linked(page) if address.startswith("/dashboard/coverage/")]
    assert files and all("target=znver5" in address and "since=2026-08-01" in address for address in files)


def test_a_theme_is_kept(dashboard: RunningService, ask: Ask) -> None:
    kept = ask("/dashboard/theme", "POST", "theme=dark&next=%2Fdashboard%2Fruns", Origin=dashboard.url)
    assert (kept.status, kept.headers["Location"]) == (303, "/dashboard/runs")
    cookie = kept.headers["Set-Cookie"].split(";")[0]
    page = ask("/", Cookie=cookie).data.decode()
    assert 'data-theme="dark"' in page and "<source" not in page and "theme=dark" in page
    away = ask("/dashboard/theme", "POST", "theme=&next=https%3A%2F%2Fevil.example", Origin=dashboard.url)
    assert away.headers["Location"] == "/"


def test_files_say_how_long_they_last(ask: Ask) -> None:
    (address,) = (one for one in linked(ask("/").data.decode()) if "style.css" in one)
    asset = ask(address)
    assert "immutable" in asset.headers["Cache-Control"]
    assert ask(address, If_None_Match=asset.headers["ETag"]).status == 304
    assert "unsafe" not in ask("/").headers["Content-Security-Policy"]
