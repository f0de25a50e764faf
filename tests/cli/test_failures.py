"""How errors are told: one line for people, one object for machines, a documented status, whatever goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.failures import kind_of, one_line, told
from cli.main import app
from tests.cli.conftest import Run
from tunedb import errors

TUNEDB = Path(sys.executable).with_name("tunedb")

# What each verb is given besides the options that all have.
ARGUMENTS: Mapping[str, Sequence[str]] = {
    "agent": ["--rpc-tracker", "127.0.0.1:1", "--rpc-key", "KEY"],
    "bench": ["MODEL"],
    "best": ["5f3a"],
    "collect": ["SPEC"],
    "compile": ["MODEL"],
    "completion": ["bash"],
    "export": ["PATH"],
    "history": ["5f3a"],
    "ingest": ["FILE"],
    "merge": ["STORE"],
    "relabel": ["--hardware", "laptop", "--source", "5f3a"],
    "remove": ["--source", "5f3a"],
    "report": ["5f3a"],
    "restore": ["--as-of", "1"],
    "run": ["LIBRARY"],
    "show": ["5f3a"],
    "sql": ["SELECT 1"],
    "tune": ["5f3a"],
}
VERBS = tuple(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
MAKES_ITS_STORE = {"agent", "ingest", "tune", "collect", "compile", "merge", "serve"}
WITHOUT_STORE = {"bench", "config", "completion", "doctor", "run", "sync", "token"}


def ended(*arguments: object, **given: Any) -> subprocess.CompletedProcess[str]:
    """How a real command ends."""
    result = subprocess.run(
        [TUNEDB, *map(str, arguments)], text=True, **{"capture_output": True, "stdin": subprocess.DEVNULL, **given}
    )
    assert result.returncode in (0, 1, 2, 3, 4, 6, 130)
    for trace in ("Traceback", "panicked", "Segfault"):
        assert trace not in (result.stderr or "")
    return result


def checked(result: Any, status: int) -> str:
    """The message of an error that was asked for as JSON: on stdout an object, on stderr the same in one line."""
    assert (result.exit_code, result.stderr.count("tunedb: ")) == (status, 1)
    document = json.loads(result.stdout)
    assert document.keys() == {"error"}
    assert document["error"].keys() == {"kind", "message", "status"}
    assert document["error"]["status"] == status
    message = str(document["error"]["message"])
    assert "\n" not in message
    assert result.stderr.splitlines()[-1] == f"tunedb: error: {message}"
    assert "Traceback" not in result.stderr
    parts = message.split(": ")
    assert len(set(parts)) == len(parts), f"one cause said twice: {message}"
    assert message.count("cannot ") <= 1, message
    return message


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made in the present folder, is made elsewhere."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option(run: Run, verb: str) -> None:
    result = run(verb, *ARGUMENTS.get(verb, ()), "--nosuch", "--json")
    assert "--nosuch" in checked(result, 2)
    result = run(verb, *ARGUMENTS.get(verb, ()), "--nosuch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if not ARGUMENTS.get(verb, ["-"])[0].startswith("-")])
def test_a_missing_argument(run: Run, verb: str) -> None:
    assert "Missing argument" in checked(run(verb, "--json"), 2)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in MAKES_ITS_STORE | WITHOUT_STORE])
@pytest.mark.parametrize("place", ["nosuch", "file", "file/deeper", "empty"])
def test_no_store(run: Run, tmp_path: Path, verb: str, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    result = run(verb, *ARGUMENTS.get(verb, ()), "--store", tmp_path / place, "--json")
    message = checked(result, 3)
    assert str(tmp_path / place) in message
    assert not (tmp_path / "nosuch").exists()


def test_no_verb_and_an_unknown_one(run: Run) -> None:
    assert "nosuch" in checked(run("nosuch", "--json"), 2)
    checked(run("--json"), 2)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (errors.UsageError("odd"), "usage", "odd"),
        (errors.NotFoundError("gone"), "not-found", "gone"),
        (errors.AmbiguousPrefixError("two"), "ambiguous-prefix", "two"),
        (errors.StoreSchemaError("old"), "store-schema", "old"),
        (errors.ChildDiedError("dead"), "child-died", "dead"),
        (errors.StoreError("a\nb"), "store", "a b"),
        (KeyboardInterrupt(), "interrupted", None),
        (SystemExit(3), "unexpected", "code that was loaded called sys.exit(3)"),
        (OSError(28, "No space left on device", "/x"), "unexpected", "No space left on device: /x"),
        (MemoryError(), "unexpected", "there is not enough memory"),
        (RuntimeError("x\ny"), "unexpected", "RuntimeError: y (--debug shows where)"),
        (RuntimeError(), "unexpected", "RuntimeError (--debug shows where)"),
    ],
)
def test_kinds_and_texts(error: BaseException, kind: str, text: str | None) -> None:
    assert kind_of(error) == kind
    assert text is None or told(error) == text


def test_one_line_has_no_control_characters() -> None:
    assert one_line("a\n\tb\x1b[31mc  d") == "a b [31mc  d"


def test_the_result_is_the_only_object(run: Run, store: Path) -> None:
    result = run("stats", "--json", "--store", store)
    assert json.loads(result.stdout).keys() != {"error"}


def test_a_full_standard_output(store: Path) -> None:
    for arguments in (("stats", "--store", store), ("stats", "--store", store, "--json"), ("--help",), ("--version",)):
        with Path("/dev/full").open("w") as full:
            result = ended(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 1
        assert result.stderr == "tunedb: error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("closing", "status"),
    [(">&-", 1), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", 1), ("2>/dev/full", 0), ("| head -c 1", 0)],
)
@pytest.mark.parametrize("arguments", ["stats", "stats --json", "--help", "workloads"])
def test_closed_streams(store: Path, closing: str, status: int, arguments: str) -> None:
    script = f"set -o pipefail; {TUNEDB} {arguments} {closing}"
    environment = {**os.environ, "TUNEDB_STORE": str(store)}
    result = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    if status and "2>&-" not in closing:
        assert result.stderr == "tunedb: error: cannot write to standard output: it is closed\n"


def test_errors_reach_nobody_when_nobody_listens(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = ended("stats", "--store", tmp_path / "none", capture_output=False, stderr=full, stdout=subprocess.PIPE)
    assert (result.returncode, result.stdout) == (3, "")


@pytest.mark.parametrize("seed", ["12345678901234567890", "-1", "1e3", str(2**63)])
@pytest.mark.parametrize("verb", ["tune", "train", "evaluate"])
def test_a_seed_that_is_none(run: Run, verb: str, seed: str) -> None:
    checked(run(verb, *ARGUMENTS.get(verb, ()), "--seed", seed, "--json"), 2)


MOMENTS = ["infinity", "nan", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "99999999999999999999", "1e400", "", "-1"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_moments_that_no_store_has(run: Run, store: Path, moment: str) -> None:
    result = run("stats", "--as-of", moment, "--store", store, "--json")
    assert result.exit_code in (0, 2, 3)
    if result.exit_code:
        checked(result, result.exit_code)


def test_without_a_home(tmp_path: Path) -> None:
    if shutil.which("setpriv") is None or os.getuid() != 0:
        pytest.skip("another user is needed")
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = ["setpriv", "--reuid=54321", "--clear-groups", TUNEDB]
    result = subprocess.run([*command, "stats"], env=bare, cwd="/", capture_output=True, text=True)
    if "Permission denied" in result.stderr:
        pytest.skip("the other user may not read this Python")
    assert result.returncode == 2
    assert result.stderr == (
        "tunedb: error: where is the store? This user has no home folder: give --store or TUNEDB_STORE\n"
    )


def test_in_a_folder_that_is_gone(store: Path, tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {TUNEDB} stats --store "
    whole = subprocess.run(["bash", "-c", script + str(store)], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    relative = subprocess.run(["bash", "-c", script + "relative"], capture_output=True, text=True)
    assert relative.returncode == 3
    assert relative.stderr.startswith("tunedb: error: the present folder is gone, so relative is nowhere")


@pytest.mark.tvm
def test_a_file_of_the_users_that_ends_the_process(run: Run, tmp_path: Path) -> None:
    (tmp_path / "quits.py").write_text("import sys\n\nsys.exit('no')\n")
    result = run("tune", f"{tmp_path / 'quits.py'}:f", "--store", tmp_path / "store", "--json")
    assert "sys.exit" in checked(result, result.exit_code)
    assert result.exit_code in (1, 4)
