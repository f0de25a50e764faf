"""Why nothing is emulated is said in a sentence, of whatever is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.measure.cross.emulator import find_emulator


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = find_emulator("aarch64", tmp_path, None)
    assert found == ("no compiler links for aarch64: install g++-aarch64-linux-gnu, or give --cross-compiler")
    found = find_emulator("aarch64", tmp_path, "aarch64-linux-gnu-g++")
    assert found == "nothing here runs code for aarch64: install qemu-user-static"
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    found = find_emulator("aarch64", None, "aarch64-linux-gnu-g++")
    assert isinstance(found, str)
    assert "--tvm-runtime FOLDER" in found
