"""The dashboard in a real browser without a screen: accessible in both themes, by keyboard, with no script refused.

These take Chromium (Debian's `chromium`) and Playwright (`pip install 'tunedb[browser]'`), and are slow. With
`TUNEDB_SCREENSHOTS=FOLDER` they leave pictures there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from service.dashboard.registry import views
from service.tokens import Scope
from tests.conftest import RunningService, serving
from tests.tunedb import samples
from tunedb import open_store
from tunedb.query.runs import tuning_runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
    pytest.mark.skipif(
        not (find_spec("playwright") and find_spec("axe_playwright_python")),
        reason="Playwright is not installed (pip install 'tunedb[browser]')",
    ),
]
_PATIENCE_MS = 180_000
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shown(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with serving(filled, tmp_path_factory.mktemp("state")) as service:
        yield service


@pytest.fixture(scope="module")
def addresses(filled: Path) -> dict[str, str]:
    """Every view, and a record."""
    with open_store(filled) as store:
        runs = [source.source_id[:12] for source in tuning_runs(store)]
        workload = next(row.workload_id for row in store.workloads() if row.num_trials > 10)[:12]
        records = [trial.trial_id for trial in store.best(store.resolve_workload(workload).workload_id)]
    filters = {"run": runs[0], "other": runs[0], "workload": workload, "target": "znver5"}
    found = {
        view.name: f"/dashboard/{view.name}?" + "&".join(f"{name}={filters[name]}" for name in view.needs)
        for view in views()
    }
    return {**found, "record": f"/dashboard/record/{records[0][:16]}"}


def opened(chromium: Any, url: str, scheme: str, **settings: Any) -> tuple[Any, list[str]]:
    """A page, and what went wrong in it: errors of scripts and of the policy, requests that failed."""
    viewport = {"width": settings.pop("width", 1280), "height": 860}
    context = chromium.new_context(color_scheme=scheme, viewport=viewport, **settings)
    context.set_default_timeout(_PATIENCE_MS)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"{request.url} failed"))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(origin(url)) else None)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page, wrong


def origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(chromium: Any, shown: RunningService, addresses: dict[str, str], scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for name, path in addresses.items():
        page, wrong = opened(chromium, shown.url + path, scheme)
        assert not wrong, (name, wrong)
        broken = page.evaluate("[...document.images].filter((one) => !one.naturalWidth).map((one) => one.src)")
        assert not broken
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
        folder = os.environ.get("TUNEDB_SCREENSHOTS")
        if folder:
            page.screenshot(path=Path(folder) / f"{name}-{scheme}.png", full_page=True)
        page.context.close()


def test_a_telephone_shows_every_page(chromium: Any, shown: RunningService, addresses: dict[str, str]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for name, path in addresses.items():
        page, wrong = opened(chromium, shown.url + path, "light", width=400)
        assert not wrong, (name, wrong)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{name} is {beyond} pixels wider than its window"
        if name in ("overview", "history", "coverage"):
            assert Axe().run(page, options=RULES).violations_count == 0, name
        page.context.close()


def test_a_plot_can_be_explored_without_eval(chromium: Any, shown: RunningService) -> None:
    for path in ("/dashboard/history", "/dashboard/coverage"):
        page, wrong = opened(chromium, shown.url + path, "light")
        page.locator("button:has-text('Explore')").first.click()
        page.wait_for_selector("figure canvas")
        assert page.locator("figure").first.locator("canvas").get_attribute("role") == "img"
        assert not wrong
        page.context.close()


def test_it_does_without_scripts(chromium: Any, shown: RunningService) -> None:
    page, _ = opened(chromium, shown.url + "/dashboard/coverage", "light", java_script_enabled=False)
    assert page.locator("figure img").count() == 2
    page.get_by_role("textbox", name="Workload").fill("conv2d")
    page.get_by_role("button", name="Show").click()
    page.wait_for_load_state()
    assert "workload=conv2d" in page.url
    page.get_by_role("button", name="Dark").click()
    page.wait_for_load_state()
    assert "workload=conv2d" in page.url and page.locator("html").get_attribute("data-theme") == "dark"
    page.context.close()


def test_the_keyboard_is_enough(chromium: Any, shown: RunningService) -> None:
    page, _ = opened(chromium, shown.url + "/", "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.context.close()


def test_a_live_view_shows_new_trials(chromium: Any, tmp_path: Path) -> None:
    def run(number: int) -> None:
        with open_store(tmp_path / "store") as store:
            store.append([samples.trial(number, 1e-3 / (number + 1))], **samples.AROUND)

    run(0)
    with serving(tmp_path / "store", tmp_path / "state") as service:
        address = f"{service.url}/dashboard/history?workload={samples.WORKLOAD.workload_id[:12]}"
        page, wrong = opened(chromium, address, "light")
        assert "down to 1 ms" in page.locator("#summary-trials").inner_text()
        run(3)
        page.wait_for_selector("#summary-trials:has-text('down to 250 us')")
        assert not wrong
        page.context.close()


def test_a_person_logs_in_and_out(chromium: Any, filled: Path, tmp_path: Path) -> None:
    with serving(filled, tmp_path / "state") as service:
        token = service.token(Scope.READ, "ann")
        page, _ = opened(chromium, service.url + "/dashboard/runs?target=znver5", "light")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("h1:has-text('Runs')")
        assert page.url.endswith("/dashboard/runs?target=znver5")
        (cookie,) = (one for one in page.context.cookies() if one["name"] == "tunedb_session")
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
        page.get_by_role("button", name="Log out ann").click()
        page.wait_for_selector("label:has-text('Token')")
        page.goto(service.url + "/")
        assert page.get_by_label("Token").count() == 1
        page.context.close()
