"""What `tunedb doctor` looks at, but for measuring."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.documents import reports
from tunedb.machine import installation
from tunedb.maintenance.check import check_store


def test_a_store_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    found = check_store(str(tmp_path / "store"))
    assert found.ok
    assert "none yet" in found.detail


def test_a_store_is_counted_and_a_broken_one_told(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1)], **AROUND)
    assert check_store(str(tmp_path / "store")).detail.endswith(": 2 trials")
    for file in (tmp_path / "store" / "trials").rglob("*.parquet"):
        file.write_bytes(b"broken")
    broken = check_store(str(tmp_path / "store"))
    assert (broken.ok, broken.part) == (False, installation.Part.STORE)
    assert broken.advice


def test_missing_packages_and_linker_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "duckdb":
            raise PackageNotFoundError(package)
        return "0.1.15"

    monkeypatch.setattr(installation, "version", version)
    monkeypatch.setenv("PATH", "")
    packages, ffi, linker = installation.check_packages(), installation.check_ffi(), installation.check_linker()
    assert [check.ok for check in (packages, ffi, linker)] == [False, False, False]
    assert packages.detail == "missing: duckdb"
    assert "apt-get install g++" in linker.advice
    document = reports.checks([packages, ffi, linker], installation.versions())
    assert not document["ok"]
    assert document["versions"]["duckdb"] is None
