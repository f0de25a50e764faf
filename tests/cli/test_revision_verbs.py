"""`remove`, `relabel` and `restore` as a person runs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    shutil.copytree(store, tmp_path / "store")
    return tmp_path / "store"


def test_a_source_is_taken_back_and_brought_back(
    run: Run, run_json: Callable[..., dict[str, Any]], copy: Path, logs: Path
) -> None:
    before = run_json("stats", "--store", copy)
    looked = run("remove", "--source", logs, "--dry-run", "--store", copy)
    assert looked.exit_code == 0 and "nothing was changed" in looked.stdout
    assert run_json("stats", "--store", copy) == before
    done = run_json("remove", "--source", logs, "--store", copy)
    assert done["removed"] > 0 and done["sources"]
    after = run_json("stats", "--store", copy)
    assert after["trials"] < before["trials"] and after["sources"] == before["sources"] - len(done["sources"])
    assert run("verify", "--store", copy).exit_code == 0
    undone = run("restore", "--as-of", done["version_before"], "--store", copy)
    assert undone.exit_code == 0 and "to undo it: tunedb restore --as-of" in undone.stdout
    assert run_json("stats", "--store", copy)["trials"] == before["trials"]
    assert run("verify", "--store", copy).exit_code == 0


def test_a_machine_is_told_afterwards(
    run: Run, run_json: Callable[..., dict[str, Any]], copy: Path, logs: Path
) -> None:
    before = run_json("stats", "--store", copy)["trials"]
    assert run_json("relabel", "--hardware", "lab", "--source", logs, "--store", copy)["relabelled"] > 0
    for machine in ([], ["--hardware", "lab"]):
        assert run_json("ingest", logs, *machine, "--store", copy)["added"] == 0
    assert run_json("stats", "--store", copy)["trials"] == before
    assert "lab" in run("targets", "--store", copy).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["remove"], 2),
        (["remove", "--source", "no such source"], 3),
        (["relabel", "--source", "x"], 2),
        (["relabel", "--hardware", "lab"], 2),
        (["relabel", "--hardware", "lab", "--from", "no such machine"], 3),
        (["restore"], 2),
        (["restore", "--as-of", "9999"], 3),
        (["restore", "--as-of", "yesterday"], 2),
    ],
    ids=str,
)
def test_what_cannot_be_done_says_why(run: Run, copy: Path, arguments: list[str], code: int) -> None:
    result = run(*arguments, "--store", copy)
    assert result.exit_code == code
    assert result.stderr.startswith("tunedb: error: ")
