"""docs/first-hour.md, run as it is written, in another folder."""

from __future__ import annotations

import re
import shlex
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
HOUR = "/tmp/hour"
COMPILE, TUNE, READ_BACK = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def tunedb(command: str) -> str:
    """What `$ tunedb ...` prints to stdout."""
    result = CliRunner().invoke(app, shlex.split(command.removeprefix("tunedb ")))
    assert result.exit_code == 0, result.output
    return result.stdout


def told(text: str) -> list[str]:
    """Lines without the widths of columns, which depend on the folder's name."""
    return [" ".join(line.replace("-", " ").split()) for line in text.splitlines() if line.strip("- ")]


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the hour, with the logs in it."""
    folder = tmp_path_factory.mktemp("hour")
    with tarfile.open(ROOT / "data" / "metaschedule" / "znver5-1core.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEDB_STORE", str(folder / "store"))
        patch.setenv("COLUMNS", "400")
        commands = re.findall(r"```console\n\$ (tunedb .*?)\n(.*?)```", PAGE, re.DOTALL)
        assert [command.split()[1] for command, _ in commands] == ["ingest", "ingest", "best", "export"]
        for command, shown in commands:
            printed = told(tunedb(command.replace(HOUR, str(folder))))
            wanted = [line for line in told(shown.replace(HOUR, str(folder))) if line != "..."]
            assert [line for line in wanted if line not in printed] == [], command
    return folder


def run(code: str, hour: Path) -> None:
    exec(code.replace(HOUR, str(hour)), {"__name__": "first_hour"})  # noqa: S102 - our own page


@pytest.mark.tvm
def test_compiles_with_the_best_schedules_and_gives_them_back(hour: Path) -> None:
    run(COMPILE, hour)
    assert (hour / "matmul.so").stat().st_size > 0
    run(READ_BACK, hour)


@pytest.mark.tvm
@pytest.mark.slow
def test_goes_on_tuning_with_stocks_own_builder_and_runner(hour: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(TUNE.replace("max_trials_global=16", "max_trials_global=4"), hour)
    assert "4 records, of" in capsys.readouterr().out
