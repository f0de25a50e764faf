"""What a GPU is to be used for, on a machine without one: steps go on where they ended, and bars are measured once."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_bars, gpu_programs, gpu_session
from benchmarks.gpu_session import Step


def test_a_step_that_is_left_is_told_from_one_that_failed(tmp_path: Path) -> None:
    for code, state in ((0, "done"), (75, "left"), (2, "failed")):
        step = Step("one", ("-c", f"print('said {code}'); raise SystemExit({code})"))
        assert gpu_session.ran(step, tmp_path, 60) == state
    assert (tmp_path / "one.log").read_text() == "said 0\nsaid 75\nsaid 2\n"
    assert gpu_session.ran(Step("long", ("-c", "import time; time.sleep(60)")), tmp_path, 0.2) == "left"


def test_a_session_says_what_is_left_and_every_command_is_one(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text(json.dumps({"tests": "done"}))
    command = [sys.executable, "-m", "benchmarks.gpu_session", "--work", str(tmp_path), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    lines = done.stdout.splitlines()
    assert lines[0].startswith("done    tests ")
    assert len(lines) == len(gpu_session.steps_of(tmp_path, "cuda"))
    modules = {step.command[1] for step in gpu_session.steps_of(tmp_path, "cuda")}
    for module in modules - {"pytest"}:
        subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, check=True)


@pytest.mark.tvm
def test_bars_are_measured_once_and_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for a GPU, with a few trials."""
    from search.targets import local_target
    from tests.search.measure.cuda.stand_in import devices

    monkeypatch.setitem(gpu_programs.PROGRAMS, "matmul", lambda: gpu_programs.product(32, 32, 32))
    few = [gpu_bars.Arm("stock", 4, "random"), gpu_bars.Arm("cold", 4), gpu_bars.Arm("warm", 4, is_warm=True)]
    monkeypatch.setattr(gpu_bars, "ARMS", tuple(few))
    with devices(local_target(num_cores=1), 1) as device:

        def measured(stop: threading.Event) -> bool:
            return gpu_bars.measured(["matmul"], device, tmp_path, None, stop)

        stopped = threading.Event()
        stopped.set()
        assert measured(stopped), "no time, no runs"
        assert not measured(threading.Event())
        known: Any = json.loads((tmp_path / "bars.json").read_text())
        assert set(known["matmul"]["runs"]) == set(known["matmul"]["side_by_side"]) == {"stock", "cold"}
        assert all(secs > 0 for secs in known["matmul"]["side_by_side"].values())
        assert known["matmul"]["runs"]["cold"]["sampled"] >= known["matmul"]["runs"]["cold"]["ran"] == 4
        assert not measured(threading.Event())
        assert json.loads((tmp_path / "bars.json").read_text()) == known
    assert len(gpu_bars.table(known)) == 2
