"""How many of the candidates that are drawn for a GPU it can run, and what refused the others: no GPU is needed.

    python -m benchmarks.gpu_proposals [--samples 100] [--built 8] [--target nvidia/nvidia-h100] [--out FILE]

Of each operator random candidates are drawn within the target's limits, and as many as TVM draws them. TVM's
postprocessors refuse or pass each. Some of those that pass are built, and NVRTC makes machine code of their kernels
(extra `cuda`). Nothing is timed, so that the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.gpu_programs import PROGRAMS, context_of, spaces_of
from search.measure import nvrtc
from search.space.funnel import Funnel
from tunedb.errors import TunedbError, last_line

LEAST = 0.95  # that the tests ask for, too


def drawn(name: str, target: str, samples: int, seed: int) -> tuple[Funnel, list[Any]]:
    """What became of random candidates, and those that passed."""
    spaces = spaces_of(context_of(PROGRAMS[name](), target), seed)
    try:
        return _funnel(spaces, samples)
    finally:
        spaces.close()


def drawn_by_tvm(name: str, target: str, samples: int, seed: int) -> Funnel:
    """The same of candidates whose tiles TVM draws."""
    spaces = spaces_of(context_of(PROGRAMS[name](), target), seed)
    spaces._tilings = [() for _ in spaces.traces]
    try:
        return _funnel(spaces, samples)[0]
    finally:
        spaces.close()


def machine_code(mods: list[Any], target: Any) -> dict[str, int]:
    """How many programs become machine code; the others by what refuses them."""
    from tvm.ir import save_json

    from search.measure.workers import built_module

    found: dict[str, int] = {}
    for mod in mods:
        try:
            nvrtc.cubins_of(built_module(save_json(mod), str(target)), target)
            answer = "ok"
        except (TunedbError, RuntimeError, ValueError, TypeError) as error:
            answer = last_line(error)
        found[answer] = found.get(answer, 0) + 1
    return found


def main() -> int:
    """Prints, and writes, what was counted; 1 where fewer pass than the bar says, or a kernel does not compile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--built", type=int, default=8, help="programs of each operator that are built")
    parser.add_argument("--target", default="nvidia/nvidia-h100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operators", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows: dict[str, Any] = {}
    print(f"{given.target}, {given.samples} candidates of each operator")
    print(f"{'operator':32} {'passed':>7} {'by TVM':>7} {'compiled':>9}  refused by")
    for name in given.operators:
        target = context_of(PROGRAMS[name](), given.target).target
        funnel, passed = drawn(name, given.target, given.samples, given.seed)
        tvm = drawn_by_tvm(name, given.target, given.samples, given.seed)
        compiled = machine_code(passed[: given.built], target)
        rows[name] = {
            "sampled": funnel.sampled,
            "passed": funnel.valid,
            "refused": dict(funnel.refused),
            "drawn_by_tvm": {"sampled": tvm.sampled, "passed": tvm.valid, "refused": dict(tvm.refused)},
            "built": sum(compiled.values()),
            "compiled": compiled.get("ok", 0),
            "not_compiled": {why: number for why, number in compiled.items() if why != "ok"},
        }
        its = rows[name]
        told = [f"{why} {number}" for why, number in [*funnel.refused.items(), *its["not_compiled"].items()]]
        print(
            f"{name:32} {_share(funnel):>7} {_share(tvm):>7} {its['compiled']:>4} of {its['built']:<2}  "
            f"{', '.join(told)}",
            flush=True,
        )
    if given.out is not None:
        told = {"target": given.target, "tvm": version("apache-tvm"), "seed": given.seed}
        before = json.loads(given.out.read_text()) if given.out.is_file() else {}
        if {name: before.get(name) for name in told} == told:  # of operators that were not asked for
            rows = {**before["operators"], **rows}
        given.out.write_text(json.dumps({**told, "operators": rows}, indent=1) + "\n")
    short = [name for name, row in rows.items() if row["passed"] < LEAST * row["sampled"] or row["not_compiled"]]
    if short:
        print(f"below the bar of {LEAST:.0%}, or not compiled: {', '.join(short)}", file=sys.stderr)
    return 1 if short else 0


def _funnel(spaces: Any, samples: int) -> tuple[Funnel, list[Any]]:
    passed = spaces.sample(samples)
    return spaces.funnel, [candidate.schedule.mod for candidate in passed]


def _share(funnel: Funnel) -> str:
    return f"{funnel.valid / funnel.sampled:.0%}" if funnel.sampled else "-"


if __name__ == "__main__":
    sys.exit(main())
