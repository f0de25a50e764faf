"""tunedb dashboard: a real command, asked as a browser asks; nothing can be changed through it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.cli.conftest import Run
from tests.conftest import RunningService


def test_a_store_is_shown_until_a_signal(store: Path) -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()", "dashboard", "--no-browser", "--json"]
    shown = subprocess.Popen([*command, "--store", str(store)], stdout=subprocess.PIPE, text=True)
    try:
        assert shown.stdout is not None
        told = json.loads("".join(iter(shown.stdout.readline, "}\n")) + "}")
        assert told["store"] == str(store) and told["url"].startswith("http://127.0.0.1:")
        page = urllib3.request("GET", told["url"] + "/", headers={"Accept": "text/html"}, timeout=60)
        assert page.status == 200 and "What the store holds" in page.data.decode()
        for path in ("/v1/trials", "/v1/store/trials", "/v1/admin/sources"):
            assert urllib3.request("POST", told["url"] + path, body=b"{}", timeout=60).status in (403, 404, 405)
        shown.send_signal(signal.SIGINT)
        assert shown.wait(60) in (0, 130)
    finally:
        shown.kill()
        shown.wait()


def test_a_services_own_pages_are_opened(
    run: Run, running_service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    result = run("dashboard", "--store", running_service.url)
    assert result.exit_code == 0 and opened == [running_service.url]
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "no browser" in run("dashboard", "--store", running_service.url).stderr
