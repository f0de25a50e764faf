"""best --near: another target's record only at the user's word, and labelled."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

pytestmark = [
    pytest.mark.tvm,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the logs are of x86 CPUs, and name no triple"),
]


def test_the_nearest_target_answers_only_when_asked(
    run: Run, run_json: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    assert run("ingest", logs, "--store", store, "--hardware", "a machine").exit_code == 0
    found = run_json("workloads", "--store", store)["workloads"]
    workload = next(str(row["workload_hash"]) for row in found if row["name"].startswith("matmul"))
    asked = ("best", workload, "--target", "znver4", "--store", store)
    assert run(*asked).exit_code == 3
    near = run_json(*asked, "--near")
    assert json.loads(near["target"])["mcpu"] == "znver5"
    assert json.loads(near["stands_in_for"])["mcpu"] == "znver4"
    assert "NEAR     stands in for llvm znver4, of which nothing is known" in run(*asked, "--near").stdout
    own = run_json("best", workload, "--target", "znver5", "--near", "--store", store)
    assert own["stands_in_for"] is None
    assert run("best", workload, "--near", "--store", store).exit_code == 2
