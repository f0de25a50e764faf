"""What the command line's tests share: a runner, and stores that are made once."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "data" / "metaschedule"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `tunedb` in this process; the user's own store and settings are out of reach."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("TUNEDB_")]:
        monkeypatch.delenv(name)

    def run_tunedb(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run_tunedb


@pytest.fixture
def run_json(run: Run) -> Callable[..., dict[str, Any]]:
    """Runs `tunedb ... --json` and reads what it printed; the exit status must be 0."""

    def run_tunedb(*arguments: object) -> dict[str, Any]:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        assert isinstance(document, dict)
        return document

    return run_tunedb


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three workloads of data/, unpacked; GMM-0 and NRM-1 were measured for two targets."""
    folder = tmp_path_factory.mktemp("logs")
    for archive in ("znver5-1core", "x86-64-v3-1core"):
        with tarfile.open(LOGS / f"{archive}.tar.xz") as tar:
            wanted = [m for m in tar.getmembers() if m.name.split("/")[-1 - m.isfile()] in ("GMM-0", "NRM-1", "C1D-0")]
            tar.extractall(folder, wanted, filter="data")
    yield folder


@pytest.fixture(scope="session")
def store(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `logs` in it; tests must not write to it."""
    folder = tmp_path_factory.mktemp("stores") / "shared"
    result = CliRunner().invoke(app, ["ingest", str(logs), "--store", str(folder), "--hardware", "AMD EPYC Zen 5"])
    assert result.exit_code == 0, result.stderr
    return folder
