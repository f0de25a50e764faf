"""The gate as a user's repository has it: three lines of test, real logs, a real pytest."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[3] / "data/metaschedule/x86-64-v3-1core.tar.xz"
FEW = ("GMM-0", "GMM-1", "SFM-0", "NRM-1", "DEP-1")  # workloads of four families
TEST = """
def test_accuracy(accuracy_gate):
    accuracy_gate("logs", "baseline.json", limit=12)
"""


@pytest.mark.tvm
def test_three_lines_guard_accuracy(tmp_path: Path) -> None:
    with tarfile.open(LOGS) as archive:
        wanted = [one for one in archive.getmembers() if Path(one.name).parent.name in FEW]
        archive.extractall(tmp_path / "logs", members=wanted, filter="data")
    (tmp_path / "test_accuracy.py").write_text(TEST)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        # Without the entry point's help the plugin is named, as tests may run from a checkout that is not installed.
        plugin = ["-p", "costmodels.evaluation.pytest_plugin"] if not _is_installed() else []
        command = [sys.executable, "-m", "pytest", "-q", *plugin, *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    missing = run()
    assert missing.returncode == 1
    assert "no such baseline" in missing.stdout
    assert run("--update-accuracy-baseline").returncode == 0
    unchanged = run()
    assert unchanged.returncode == 0, unchanged.stdout

    baseline = json.loads((tmp_path / "baseline.json").read_text())
    (mean,) = [row for row in baseline["rows"] if row["metric"] == "pairwise" and row["workload"] is None]
    mean["value"] += 0.1
    (tmp_path / "baseline.json").write_text(json.dumps(baseline))
    worse = run()
    assert worse.returncode == 1
    assert "pairwise, mean over workloads: 0." in worse.stdout
    assert f"where the baseline has {mean['value']:.3f}" in worse.stdout


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "costmodels.evaluation.pytest_plugin" for point in entry_points(group="pytest11"))
