"""What scripts rely on: every verb's arguments and options, and the keys that it prints as JSON. Neither ever goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from tests.cli.conftest import Run

PROMISED = json.loads(Path(__file__).with_name("promised.json").read_text(encoding="utf-8"))


def test_verbs_arguments_and_options_stay() -> None:
    commands: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert PROMISED["options"] == {
        verb: " ".join(option for each in command.params for option in (*each.opts, *each.secondary_opts))
        for verb, command in sorted(commands.items())
    }


def keys(document: Mapping[str, Any], under: str = "") -> list[str]:
    """The names of a document's keys, and of those of the objects in its lists."""
    found = []
    for name, value in document.items():
        found.append(under + name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found += keys(value[0], f"{under}{name}.")
    return found


@pytest.fixture
def arguments(run_json: Callable[..., dict[str, Any]], store: Path, logs: Path, tmp_path: Path) -> dict[str, list[Any]]:
    """What each verb is run with, on a copy of the shared store."""
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    rows = run_json("workloads", "--store", copy)["workloads"]
    workload = next(row["workload_hash"] for row in rows if row["name"].startswith("matmul"))
    record = run_json("best", workload, "--store", copy)["record_id"]
    here = ["--store", copy]
    return {
        "best": ["best", workload, *here],
        "compact": ["compact", *here],
        "compare": ["compare", *here],
        "config": ["config"],
        "export": ["export", tmp_path / "exported", "--top", 1, *here],
        "export as a table": ["export", tmp_path / "exported.parquet", *here],
        "history": ["history", workload, *here],
        "ingest": ["ingest", logs, "--store", tmp_path / "new"],
        "merge": ["merge", store, *here],
        "migrate": ["migrate", *here],
        "models": ["models", *here],
        "relabel": ["relabel", "--hardware", "lab", "--source", logs, "--dry-run", *here],
        "remove": ["remove", "--source", logs, "--dry-run", *here],
        "repair": ["repair", *here],
        "restore": ["restore", "--as-of", "1", "--dry-run", *here],
        "show a record": ["show", record, *here],
        "show a workload": ["show", workload, *here],
        "sql": ["sql", "SELECT 1 AS one", *here],
        "stats": ["stats", *here],
        "sync": ["sync"],
        "targets": ["targets", *here],
        "token create": ["token", "create", "board", "--state", tmp_path / "state"],
        "token list": ["token", "list", "--state", tmp_path / "state"],
        "verify": ["verify", *here],
        "workloads": ["workloads", *here],
    }


def test_json_keys_stay(run_json: Callable[..., dict[str, Any]], arguments: dict[str, list[Any]]) -> None:
    found = {name: keys(run_json(*given)) for name, given in arguments.items()}
    assert PROMISED["keys"].keys() == found.keys()
    for name, promised in PROMISED["keys"].items():
        assert set(promised.split()) <= set(found[name]), name


def test_a_verb_that_does_not_only_ask_takes_no_earlier_version(run: Run, store: Path) -> None:
    result = run("compact", "--as-of", "0", "--store", store)
    assert result.exit_code == 2
    assert "--as-of" in result.stderr
