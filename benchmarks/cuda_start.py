"""What a process takes until it can propose candidates for a CUDA target: TVM, the target and its tensor intrinsics.

    python -m benchmarks.cuda_start [--runs 3] [--out FILE]

Each run is a process of its own; the shortest counts. CPU seconds are told beside those of the clock, as what else the
machine does is in the latter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tunedb.machine.hardware import this_machine

TARGET = "nvidia/nvidia-h100"
_PROGRAM = """
import json, sys, time
began, cpu = time.perf_counter(), time.process_time()
def lap():
    return [round(time.perf_counter() - began, 2), round(time.process_time() - cpu, 2)]
import tvm
laps = {"TVM": lap()}
from search.targets import parse_target
target = parse_target(sys.argv[1])
laps["target"] = lap()
if sys.argv[2] == "stock":
    import tvm.s_tir.tensor_intrin
else:
    from tunedb.metaschedule import intrinsics
    intrinsics.register_for(target.kind, target.keys)
laps["intrinsics"] = lap()
print(json.dumps(laps))
"""


def started(which: str) -> dict[str, list[float]]:
    """Seconds by the clock and of the CPU after each step, of one process.

    Args:
        which: "tunedb", or "stock" for all of TVM's intrinsics.
    """
    command = [sys.executable, "-P", "-c", _PROGRAM, TARGET, which]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Prints, and writes, what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {which: min((started(which) for _ in range(given.runs)), key=_cpu) for which in ("tunedb", "stock")}
    for which, laps in found.items():
        for step, (secs, cpu_secs) in laps.items():
            print(f"{which:7} until {step:10} {secs:6.2f} s, of the CPU {cpu_secs:6.2f} s")
    if given.out is not None:
        told = {"machine": this_machine().name, "target": TARGET, "runs": given.runs, **found}
        given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _cpu(laps: dict[str, list[float]]) -> float:
    return laps["intrinsics"][1]


if __name__ == "__main__":
    main()
