"""How much slower a kernel is when caches are flushed before each run: `python benchmarks/flushed_caches.py --core 1`.

The kernel does hardly any arithmetic: with its inputs in the innermost cache it takes a fraction of the time. Both ways
are measured in turn, and the fastest run of each counts: other work on the machine makes a run longer, never shorter.
"""

from __future__ import annotations

import argparse
import os

from search.measure.device import Timing
from search.measure.local import LocalCpu
from search.measure.programs import program_of
from search.targets import local_target
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule import intrinsics
from tunedb.units import duration


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 16384, 131072], help="of the vectors")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--core", type=int, help="pin to this core")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    target = local_target(num_cores=1)
    intrinsics.register_for(target.kind, target.keys)
    print(this_machine().name)
    print(f"{'elements':>10} {'warm':>12} {'flushed':>12} {'ratio':>8}")
    with LocalCpu(target) as device:
        for size in chosen.sizes:
            (build,) = device.build([program_of(added(size))], keep=True)
            fastest = {False: float("inf"), True: float("inf")}
            for _ in range(chosen.turns):
                for flush in (False, True):
                    (one,) = device.run([build.number], timing=Timing(flush_cache=flush))
                    fastest[flush] = min([fastest[flush], *one.run_secs])
            device.release([build.number])
            warm, cold = fastest[False], fastest[True]
            print(f"{size:>10,} {duration(warm):>12} {duration(cold):>12} {cold / warm:8.2f}")


def added(size: int) -> object:
    """The sum of two vectors."""
    from tvm import te
    from tvm.ir import IRModule

    a, b = (te.placeholder((size,), name=name, dtype="float32") for name in "ab")
    c = te.compute((size,), lambda i: a[i] + b[i], name="c")
    return IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})


if __name__ == "__main__":
    main()
