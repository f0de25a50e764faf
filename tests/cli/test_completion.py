"""Completion of words, as each shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tunedb.store.opening import open_store

TUNEDB = Path(sys.executable).with_name("tunedb")
SHELLS = ("bash", "zsh", "fish")


def asked(shell: str, line: str, **environment: str) -> str:
    """What the command answers a shell whose line so far is `line`."""
    words = line.split(" ")
    asking: Mapping[str, str] = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]  # type: ignore[assignment]
    result = subprocess.run(
        [TUNEDB],
        env={**os.environ, "_TUNEDB_COMPLETE": f"complete_{shell}", **asking, **environment},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_verbs_options_and_choices(shell: str) -> None:
    assert "best" in asked(shell, "tunedb be")
    assert "--trials" in asked(shell, "tunedb tune x --tr")
    assert "evolutionary" in asked(shell, "tunedb tune x --strategy e")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_store_has(shell: str, store: Path) -> None:
    with open_store(store, create=False) as opened:
        workload = opened.workloads()[0].workload_id
        target = opened.targets()[0]
    there = {"TUNEDB_STORE": str(store)}
    for verb in ("best", "history", "show", "compare", "tune"):
        assert workload[:12] in asked(shell, f"tunedb {verb} {workload[:3]}", **there)
    assert workload in asked(shell, f"tunedb best {workload[:30]}", **there)
    assert workload[:12] in asked(shell, f"tunedb best --store {store} {workload[:3]}")
    assert target.arch in asked(shell, f"tunedb best {workload[:8]} --target {target.arch[:2]}", **there)
    assert target.target_id[:12] in asked(shell, f"tunedb export x --target {target.target_id[:3]}", **there)
    assert "AMD EPYC Zen 5" in asked(shell, "tunedb ingest x --hardware A", **there)


@pytest.mark.parametrize("shell", SHELLS)
def test_an_error_offers_nothing_and_says_nothing(shell: str, tmp_path: Path) -> None:
    nothing = {"bash": "", "zsh": "_files", "fish": ""}[shell]
    (tmp_path / "broken.toml").write_text("x = [")
    for environment in (
        {"TUNEDB_STORE": str(tmp_path / "none")},
        {"TUNEDB_STORE": str(tmp_path / "broken.toml")},
        {"TUNEDB_CONFIG": str(tmp_path / "broken.toml"), "TUNEDB_STORE": str(tmp_path / "none")},
    ):
        assert asked(shell, "tunedb best 5", **environment).strip() == nothing


def test_files_can_be_tuned_too(tmp_path: Path) -> None:
    (tmp_path / "fast.py").write_text("")
    (tmp_path / "folder").mkdir()
    offered = asked("bash", f"tunedb tune {tmp_path}/f", TUNEDB_STORE=str(tmp_path / "none")).split()
    assert offered == [f"{tmp_path}/fast.py", f"{tmp_path}/folder/"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_TUNEDB_COMPLETE=complete_{shell}" in result.stdout
    if found := shutil.which(shell):
        assert subprocess.run([found, "-n"], input=result.stdout, text=True).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_real_bash(tmp_path: Path) -> None:
    script = """
eval "$(tunedb completion bash)"
COMP_WORDS=(tunedb wor); COMP_CWORD=1
_tunedb_completion tunedb
echo "${COMPREPLY[@]}"
"""
    path = f"{TUNEDB.parent}:{os.environ['PATH']}"
    result = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert result.stdout == "workloads\n"
