"""All that wants a GPU, in steps of ten minutes at most: `python -m benchmarks.gpu_session --work .gpu`, or `make gpu`.

It has never run on a GPU. A step that ended is not repeated, and one that is cut off goes on at the next call; so a GPU
that is lent for half an hour is used for all of it. What each step printed lies in FOLDER/logs. A step that fails does
not keep the others from running. Exit status: 0 when all is done, 75 when something is left, 1 when a step failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STEP_SECS = 600
_LEFT = 75  # exit status of a step that is to be called again
_NETWORKS = ("bert-tiny", "resnet18")
_FIRST_BARS = ("matmul", "matmul, float16", "conv2d", "conv2d, float16", "depthwise", "softmax", "layer norm")


@dataclass(frozen=True, slots=True)
class Step:
    """A command."""

    name: str
    command: tuple[str, ...]  # after Python's own name


def steps_of(work: Path, target: str) -> list[Step]:
    """What there is to do, the most telling first.

    Args:
        work: The folder of results.
        target: The GPU; "cuda" is what is found.
    """
    store, models = str(work / "gpu.store"), work / "models"
    bars = ("-m", "benchmarks.gpu_bars", "--work", str(work / "bars"), "--target", target)
    steps = [
        Step("tests", ("-m", "pytest", "-m", "gpu and not slow", "tests/search")),
        Step("tests-slow", ("-m", "pytest", "-m", "gpu and slow", "tests/search")),
        Step("collect-first", ("-m", "benchmarks.gpu_collect", "--store", store, "--target", target, "--trials", "8")),
        Step("networks", ("-m", "benchmarks.models", *_NETWORKS, "--out", str(models))),
    ]
    written = [str(models / f"{name}.onnx") for name in _NETWORKS]
    steps.append(Step("networks-half", ("-m", "benchmarks.half", *written)))
    compiled = [f"{name}{half}" for half in ("", "-half") for name in _NETWORKS]
    for name in compiled:
        files = (str(models / f"{name}.onnx"), "-o", str(work / f"{name}.so"))
        steps.append(
            Step(
                f"compile-{name}", ("-m", "cli.main", "compile", *files, "--target", target, "--store", store, "--json")
            )
        )
    steps.append(Step("rivals", ("-m", "benchmarks.gpu_rivals", "--work", str(work), *compiled)))
    steps += [Step("bars-first", (*bars, "--operators", *_FIRST_BARS)), Step("bars", bars)]
    steps.append(Step("collect", ("-m", "benchmarks.gpu_collect", "--store", store, "--target", target)))
    steps.append(Step("train", ("-m", "cli.main", "train", "--store", store)))
    steps.append(Step("bars-warm", (*bars, "--warm", store)))
    return steps


def ran(step: Step, logs: Path, limit_secs: float) -> str:
    """Runs a step; gives "done", "left" or "failed"."""
    with (logs / f"{step.name}.log").open("a") as log:
        try:
            done = subprocess.run(
                [sys.executable, *step.command], stdout=log, stderr=subprocess.STDOUT, timeout=limit_secs, check=False
            )
        except subprocess.TimeoutExpired:
            return "left"
    return {0: "done", _LEFT: "left"}.get(done.returncode, "failed")


def main() -> int:
    """Runs what is left, for as long as it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--target", default="cuda")
    parser.add_argument("--minutes", type=float, default=28, help="after which no further step begins")
    parser.add_argument("--list", action="store_true", help="say what is left, and stop")
    given = parser.parse_args()
    logs, file = given.work / "logs", given.work / "steps.json"
    logs.mkdir(parents=True, exist_ok=True)
    known: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    end = time.monotonic() + 60 * given.minutes
    steps = steps_of(given.work, given.target)
    for step in steps:
        while known.get(step.name) != "done":
            left = end - time.monotonic()
            if given.list or left <= 0:
                break
            known[step.name] = ran(step, logs, min(left, STEP_SECS))
            file.write_text(json.dumps(known, indent=1) + "\n")
            print(f"{step.name:18} {known[step.name]}", flush=True)
            if known[step.name] == "failed":
                break
    if given.list:
        for step in steps:
            print(f"{known.get(step.name, 'left'):7} {step.name:18} python {' '.join(step.command)}")
    states = [known.get(step.name, "left") for step in steps]
    return 1 if "failed" in states else _LEFT if "left" in states else 0


if __name__ == "__main__":
    sys.exit(main())
