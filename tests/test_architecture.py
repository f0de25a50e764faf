"""ARCHITECTURE.md lists the modules that there are, and tests stand in folders named like what they test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_MIRRORED = {"tests/faults", "tests/docs", "tests/tunedb/assets"}  # what several modules must stand together


def test_tables_are_what_the_tree_has() -> None:
    command = [sys.executable, str(ROOT / "docs" / "architecture_tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tests_stand_in_folders_of_the_same_names() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")} - NOT_MIRRORED
    strays = {folder for folder in folders - {"tests"} if not (ROOT / folder.removeprefix("tests/")).is_dir()}
    assert not strays
