"""`serve`, `token` and `sync`, and other verbs on a store that a service keeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.tokens import Scope
from tests.cli.conftest import Run
from tests.conftest import RunningService, serving
from tests.tunedb.samples import AROUND, trial
from tunedb.store.http.store import HttpStore


def test_verbs_work_through_a_service(
    run: Run, run_json: Callable[..., dict[str, Any]], running_service: RunningService, logs: Path, tmp_path: Path
) -> None:
    there, here = ["--store", running_service.url], ["--store", tmp_path / "here"]
    for store in (there, here):
        run_json("ingest", logs, *store, "--hardware", "AMD EPYC Zen 5")
    assert run_json("ingest", logs, *there, "--hardware", "AMD EPYC Zen 5")["added"] == 0
    row = run_json("workloads", *here)["workloads"][0]["workload_hash"]
    for arguments in (
        ["workloads"],
        ["targets"],
        ["best", row, "--top", 3],
        ["compare"],
        ["history", row],
        ["show", row],
    ):
        assert run_json(*arguments, *there) == run_json(*arguments, *here), arguments
    query = "SELECT outcome, count(*) FROM trials GROUP BY ALL ORDER BY ALL"
    assert run_json("sql", query, *there) == run_json("sql", query, *here)
    for number, store in enumerate((there, here)):
        run_json("export", tmp_path / f"{number}.parquet", *store)
    assert run_json("merge", tmp_path / "here", *there)["added"] == 0
    assert run_json("verify", "--store", running_service.folder)["ok"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["remove", "--source", "logs"],
        ["relabel", "--hardware", "lab", "--source", "logs"],
        ["restore", "--as-of", "1"],
        ["migrate"],
        ["repair"],
        ["stats", "--as-of", "1"],
        ["serve"],
    ],
)
def test_what_a_service_does_not_do_is_said(run: Run, running_service: RunningService, arguments: list[str]) -> None:
    result = run(*arguments, "--store", running_service.url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "service" in result.stderr and "Traceback" not in result.stderr


def test_a_service_that_is_away(run: Run) -> None:
    result = run("best", "5f3a", "--store", "http://127.0.0.1:1", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["kind"] == "store-away"


def test_a_token_opens_what_it_is_for(
    run: Run, run_json: Callable[..., dict[str, Any]], running_service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ["--state", running_service.settings.state]
    made = run_json("token", "create", "reader", *state)["token"]
    result = run("stats", "--store", running_service.url, "--json")
    assert json.loads(result.stdout)["error"]["kind"] == "access"
    monkeypatch.setenv("TUNEDB_TOKEN", made)
    assert run_json("stats", "--store", running_service.url)["trials"] == 0
    (row,) = run_json("token", "list", *state)["tokens"]
    assert row["valid"] and row["last_used_at"] and made not in json.dumps(row)
    run_json("token", "revoke", "reader", *state)
    assert run("stats", "--store", running_service.url).exit_code == 1
    for wrong in (["create"], ["list", "reader"], ["create", "reader"], ["create", "a b"]):
        assert run("token", *wrong, *state).exit_code == 2
    assert run("token", "revoke", "nobody", *state).exit_code == 3


def test_what_waits_is_shown_and_sent(
    run: Run, run_json: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEDB_SPOOL", str(tmp_path / "spool"))
    assert run_json("sync")["services"] == []
    with serving(tmp_path / "store", tmp_path / "state") as service:
        port = int(service.url.rpartition(":")[2])
        store = HttpStore(service.url)
        store.append([trial(0)], **AROUND)
    store.append([trial(1), trial(2)])
    store.close()
    (row,) = run_json("sync", "--dry-run")["services"]
    assert (row["waiting_trials"], row["problem"]) == (2, None)
    result = run("sync", "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["services"][0]["problem"]
    with serving(tmp_path / "store", tmp_path / "state", port=port) as service:
        (row,) = run_json("sync")["services"]
        assert (row["sent_messages"], row["waiting_trials"]) == (1, 0)
        assert run_json("sync")["services"] == []
        with service.opened(Scope.READ) as again:
            assert [one.position for one in again.trials()] == [0, 1, 2]


def test_serve_ends_with_0_when_it_is_told_to(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json"]
    command += ["--store", str(tmp_path / "store"), "--state", str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None and service.stderr is not None
        assert service.stdout.readline()  # it listens
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
        assert "interrupted" not in service.stderr.read()
