"""What it would save to run candidates where they are compiled: `python benchmarks/building.py --core 1`.

Random schedules of the workloads of search_live.py are compiled twice, in turn: to an archive that is linked and loaded
as tunedb's workers and MetaSchedule do, and to a module that LLVM's just-in-time compiler runs in the same process.
Seconds are from the schedule to the end of the first call; then both are timed, to see that it is the same code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from runner import sampled

from search.corpus.collect import read_spec
from search.targets import local_target
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm

HERE = Path(__file__).resolve().parent
WAYS = ("archive", "in process")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=12, help="of each workload")
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "building.json")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    rows = []
    print(f"{'workload':42}", *(f"{way:>12}" for way in WAYS), f"{'saved':>8} {'same code':>10}")
    for line in read_spec(HERE / "live_workloads.toml").workloads:
        for sizes in line.sizes:
            measured = [
                compared(candidate, target) for candidate in sampled(line.operator, sizes, target, chosen.schedules)
            ]
            secs = {way: statistics.median(row[way] for row in measured) for way in WAYS}
            ratio = statistics.median(row["ratio"] for row in measured)
            rows.append({"workload": f"{line.operator}-{'x'.join(map(str, sizes))}", **secs, "ratio": ratio})
            saved = 1.0 - secs["in process"] / secs["archive"]
            print(
                f"{rows[-1]['workload']:42}", *(f"{secs[way]:10.3f} s" for way in WAYS), f"{saved:8.0%} {ratio:10.3f}"
            )
    chosen.out.write_text(
        json.dumps({"cpu": this_machine().name, "target": target.text, "rows": rows}, indent=1) + "\n"
    )


def compared(candidate: Any, target: Any) -> dict[str, float]:
    """Seconds of either way to the end of the first call, and run time in process over that of the archive."""
    import tvm
    from tvm.s_tir.meta_schedule.builder.local_builder import default_build
    from tvm.s_tir.meta_schedule.runner.local_runner import default_alloc_argument
    from tvm.support.tar import tar

    device = tvm.cpu()
    args_info = [info.as_json() for info in candidate.measure_candidate().args_info]
    (arguments,) = default_alloc_argument(device, args_info, 1)
    found: dict[str, float] = {}
    run_secs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            began = time.perf_counter()
            module = default_build(candidate.schedule.mod, target_to_tvm(target), None)
            if way == "archive":
                path = str(Path(folder) / f"candidate.{tar.output_format}")
                module.export_library(path, fcompile=tar)
                module = tvm.runtime.load_module(path)
            name = module.entry_name if way == "archive" else "main"
            module[name](*arguments)
            found[way] = time.perf_counter() - began
            timed = module.time_evaluator(name, device, number=1, repeat=3, min_repeat_ms=10)
            run_secs[way] = timed(*arguments).median
    return {**found, "ratio": run_secs["in process"] / run_secs["archive"]}


if __name__ == "__main__":
    main()
