"""README's commands and snippets, run as they are written, on the logs in data/."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
STORE = "~/.local/share/tunedb"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """README's store, elsewhere; the working directory is the repository's."""
    folder = tmp_path_factory.mktemp("readme") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEDB_STORE", str(folder))
        patch.setenv("COLUMNS", "400")
        patch.chdir(ROOT)
        yield folder


def commands() -> Iterator[tuple[str, list[str]]]:
    """The commands of README's console blocks, each with the lines that it prints."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in block.split("$ ")[1:]:
            command, *printed = part.splitlines()
            yield command, [line for line in printed if line.strip() != "..."]


def told(line: str) -> str:
    return " ".join(line.replace("-", " ").split())


def test_what_is_ingested_can_be_asked_and_exported(store: Path, tmp_path: Path) -> None:
    shown = {command.split()[1]: (command, lines) for command, lines in commands()}
    assert list(shown) == ["compile", "run", "ingest", "best", "train", "tune", "export"]
    for command, lines in commands():
        if command.split()[1] in ("train", "tune"):
            continue  # their figures are one machine's
        if command.split()[1] in ("compile", "run"):
            continue  # the demo runs them on a smaller network
        words = [str(tmp_path / word) if word in ("best/", "trials.parquet") else word for word in shlex.split(command)]
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, result.output
        printed = [told(line) for line in result.stdout.replace(str(tmp_path), "").splitlines()]
        for line in lines:
            elsewhere = line.replace(STORE, str(store)).replace("written to ", "written to /").replace("best/", "best")
            wanted = told(elsewhere.removesuffix("..."))
            assert any(it.startswith(wanted) for it in printed if it or not wanted), (command, line)


@pytest.mark.parametrize("page", [README, API], ids=["README", "python-api"])
def test_records_are_plain_values(store: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not store.exists():
        assert CliRunner().invoke(app, ["ingest", "data/metaschedule"]).exit_code == 0
    example = next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "resolve_workload" in code)
    exec("import tunedb\n" + example.replace(STORE, str(store)))  # noqa: S102 - our own page
    assert capsys.readouterr().out.startswith("matmul 1x128x128x128 float32 1.738")
