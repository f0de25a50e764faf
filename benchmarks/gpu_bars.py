"""Against stock on a GPU, operator by operator: `python -m benchmarks.gpu_bars --work FOLDER [--warm gpu.store]`.

It has never run on a GPU. Three runs of each operator, each with a store of its own: stock's evolutionary search with
256 trials, ours from nothing with 64, and ours with 32 that begins with a store of other workloads (`gpu_collect`).
In the end the three best schedules are measured again in turn. Each call takes ten minutes at most and ends with status
75 while something is left: a run that was cut off begins anew, one that ended is not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_programs import PROGRAMS
from search.measure.device import Device
from search.options import TuneOptions
from search.report import TaskReport
from search.task import Task
from search.tune import run_tuning
from tunedb.store.opening import open_store

_MOST_MINUTES = 9.5
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to tune."""

    name: str
    trials: int
    strategy: str = "bo"
    is_warm: bool = False  # whether it begins with what was collected


ARMS = (Arm("stock", 256, "evolutionary"), Arm("cold", 64), Arm("warm", 32, is_warm=True))


def tuned(task: Task, arm: Arm, device: Device, folder: Path, warm: Path | None, stop: threading.Event) -> Any:
    """One run; None when it was cut off.

    Args:
        task: The operator.
        arm: How it is tuned.
        device: What builds and runs.
        folder: Where the run's store goes; what an earlier call left there is removed.
        warm: The store that a warm run begins with.
        stop: When set, the trial that is measured is the last.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if arm.is_warm and warm is not None:
        shutil.copytree(warm, folder)
    with open_store(str(folder)) as store:
        options = TuneOptions(arm.trials, arm.strategy, use_prior=arm.is_warm)
        report = run_tuning([task], options, store=store, target=device.target, device=device, stop=stop)
    if stop.is_set():
        return None
    return row_of(report.tasks[0], report.elapsed_secs)


def row_of(task: TaskReport, secs: float) -> dict[str, Any]:
    """What a run found, as JSON has it."""
    funnel = task.funnel
    return {
        "best_secs": None if task.best is None else min(task.best.run_secs),
        "trials": task.trials,
        "failed": task.failed,
        "agrees": None if task.numbers is None else task.numbers.agrees,
        "sampled": None if funnel is None else funnel.sampled,
        "refused": None if funnel is None else dict(funnel.refused),
        "built": task.built,
        "ran": task.trials - task.failed,
        "elapsed_secs": round(secs, 1),
        "trace": None if task.best is None else task.best.trace.to_json(),
    }


def side_by_side(task: Task, rows: dict[str, Any], device: Device) -> dict[str, float]:
    """Seconds of the best schedule of each arm, measured in turn: the median of the rounds."""
    import statistics

    from search.measure.programs import scheduled_program
    from tunedb.records import Trace

    programs = {}
    for arm, row in rows.items():
        if row["trace"] is not None:
            instructions, decisions = json.loads(row["trace"])
            trace = Trace(json.dumps(instructions).encode(), json.dumps(decisions).encode())
            programs[arm] = scheduled_program(task.mod, trace)
    builds = device.build(list(programs.values()), keep=True)
    numbers = {build.number: arm for build, arm in zip(builds, programs, strict=True)}
    found: dict[str, list[float]] = {arm: [] for arm in programs}
    for _ in range(_ROUNDS):
        for one in device.run(list(numbers)):
            found[numbers[one.number]].extend(one.run_secs)
    device.release(list(numbers))
    return {arm: statistics.median(secs) for arm, secs in found.items() if secs}


def table(known: dict[str, Any]) -> list[str]:
    """The operators that are done, with each arm's seconds over stock's."""
    lines = [f"{'operator':32} {'stock':>10} {'cold':>6} {'warm':>6}"]
    for name, its in known.items():
        secs = its.get("side_by_side", {})
        if "stock" in secs:
            shares = [f"{secs[arm] / secs['stock']:6.2f}" if arm in secs else f"{'-':>6}" for arm in ("cold", "warm")]
            lines.append(f"{name:32} {1e6 * secs['stock']:8.1f}us {' '.join(shares)}")
    return lines


def main() -> int:
    """Measures until the minutes are over; 0 when nothing is left, 75 when it is to be called again."""
    from search.measure import zygote

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of stores and of bars.json")
    parser.add_argument("--warm", type=Path, help="store that the warm runs begin with; without it there are none")
    parser.add_argument("--target", default="cuda")
    parser.add_argument("--operators", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    parser.add_argument("--minutes", type=float, default=_MOST_MINUTES)
    given = parser.parse_args()
    zygote.prepare()
    from search.measure.here import this_device
    from search.targets import parse_target

    given.work.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    timer = threading.Timer(60 * min(given.minutes, _MOST_MINUTES), stop.set)
    timer.daemon = True
    timer.start()
    with this_device(parse_target(given.target)) as device:
        is_left = measured(given.operators, device, given.work, given.warm, stop)
    return 75 if is_left else 0


def measured(operators: list[str], device: Device, work: Path, warm: Path | None, stop: threading.Event) -> bool:
    """Measures what `bars.json` in a folder has not yet; returns whether something is left."""
    from tvm.ir import IRModule

    file = work / "bars.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    arms = [arm for arm in ARMS if not arm.is_warm or warm is not None]
    for name in operators:
        task = Task(name, IRModule({"main": PROGRAMS[name]().with_attr("global_symbol", "main")}))
        its = known.setdefault(name, {"runs": {}})
        missing = [arm for arm in arms if arm.name not in its["runs"]]
        for arm in missing:
            if stop.is_set():
                break
            folder = work / f"{name.replace(', ', '-').replace(' ', '-')}-{arm.name}"
            row = tuned(task, arm, device, folder, warm, stop)
            if row is None:
                break
            its["runs"][arm.name] = row
            file.write_text(json.dumps(known, indent=1) + "\n")
            print(f"{name}, {arm.name}: {row['best_secs']} s, {row['ran']} of {row['trials']} ran", flush=True)
        if missing and all(arm.name in its["runs"] for arm in arms):
            its["side_by_side"] = side_by_side(task, its["runs"], device)
            its["hardware"] = device.hardware.name
            file.write_text(json.dumps(known, indent=1) + "\n")
    print("\n".join(table(known)))
    return any(arm.name not in known[name]["runs"] for name in operators for arm in arms)


if __name__ == "__main__":
    sys.exit(main())
