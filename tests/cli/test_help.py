import subprocess
import sys
from pathlib import Path

import pytest

VERBS = ("ingest", "best", "workloads", "targets", "stats", "train", "tune", "export", "doctor")
TUNEDB = Path(sys.executable).with_name("tunedb")


def test_declaring_the_commands_imports_nothing_heavy():
    heavy = {"tvm", "numpy", "pyarrow", "deltalake", "duckdb", "lightgbm", "xgboost", "rich", "onnx", "sklearn"}
    script = f"import sys, cli.main; print(*({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


def test_help_lists_every_verb(run):
    result = run("--help")
    assert result.exit_code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_sentence_an_example_and_the_common_options(run, verb):
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert f"  tunedb {verb}" in result.stdout
    for option in ("--store", "--json", "--debug", "TUNEDB_STORE"):
        assert option in result.stdout


def test_version(run):
    from importlib.metadata import version

    assert run("--version").stdout == f"tunedb {version('tunedb')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("best",),
        ("best", "--nosuch", "x"),
        ("tune", "x", "--trials", "-1"),
        ("tune", "x", "--strategy", "y"),
    ],
)
def test_usage_errors_exit_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""
