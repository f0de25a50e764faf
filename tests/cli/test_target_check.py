"""A mistyped target is refused before anything is built or stored, by every verb that measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from tests.cli.conftest import Run

pytestmark = pytest.mark.tvm

PROGRAM = """
raise SystemExit("a program was read before its target was looked at")
"""


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ('{"kind":"llvm","mtriple":"x86_64-linux-gnu","mcpu":"znver55","num-cores":1}', "did you mean 'znver5'"),
        ("llvm -mtriple=x86_64-linux-gnu -mcpu=znver4 -num-cores=0", "num-cores is 0"),
        ("llvm -num-cores=-3", "num-cores is -3"),
        ("llvm -mpcu=znver4", "did you mean 'mcpu'"),
        ("nvidia/geforce-rtx-309", "did you mean 'nvidia/geforce-rtx-3090'"),
    ],
)
def test_tune_refuses_a_mistyped_target(run: Run, tmp_path: Path, target: str, told: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    result = run("tune", tmp_path / "program.py:small", "--trials", 1, "--target", target)
    assert result.exit_code == ExitCode.USAGE
    assert told in result.stderr
    assert json.loads(run("targets", "--json").stdout)["targets"] == []
