"""What the search proposes, with measurements made up from the candidates themselves: the same on any machine.

    python benchmarks/proposals_before_after.py [FILE]

Without FILE it prints the proposals as JSON; with FILE it compares them with what FILE holds and exits 1 if they
differ. `benchmarks/results/proposals_before_after.json` was recorded at commit 374fb8c, before the modules moved.
Sums of floating-point numbers depend on how many threads take them, so there is one.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm import te
from tvm.ir import IRModule

import search
import tunedb
from tunedb.metaschedule import intrinsics

ROOT = Path(__file__).resolve().parents[1]
TARGET = {"kind": "llvm", "mcpu": "znver5", "num-cores": 1}
TRIALS = 32
FAILS_EVERY = 11


def workloads() -> dict[str, Any]:
    """Small ones of four kinds; the first is in data/, the others are not."""
    from tvm.s_tir.meta_schedule.testing import te_workload

    operators = {
        "matmul-128": te_workload.matmul(128, 128, 128),
        "matmul-96x160x224": te_workload.matmul(96, 160, 224),
        "conv2d": te_workload.conv2d_nhwc(1, 14, 14, 32, 48, 3, 1, 1),
        "softmax": te_workload.softmax_mn(96, 384),
    }
    return {
        name: IRModule({"main": te.create_prim_func(tensors).with_attr("global_symbol", "main")})
        for name, tensors in operators.items()
    }


def made_up(candidate: Any) -> Any:
    """A latency, or a failure, that depends on nothing but the candidate's program."""
    from tvm.s_tir import meta_schedule as ms

    digest = int(tvm_ffi.structural_hash(candidate.sch.mod)) & 0xFFFFFFFF
    if digest % FAILS_EVERY == 0:
        return ms.runner.RunnerResult(None, "made up: it crashed")
    return ms.runner.RunnerResult([1e-5 * (1 + digest % 9973 / 9973)] * 3, None)


def proposed(store: tunedb.Store, mod: Any, *, seed: int, use_prior: bool) -> list[str]:
    """Structural hashes of all that is proposed, in order."""
    from tvm.s_tir import meta_schedule as ms

    target = tvm.target.Target(TARGET)
    context = ms.TuneContext(
        mod=mod,
        target=target,
        space_generator="post-order-apply",
        search_strategy=search.bayesian_optimization(store, target, seed=seed, use_prior=use_prior),
        task_name="main",
        rand_state=seed + 1,
        num_threads=1,
    ).clone()
    context.pre_tuning(TRIALS, 64, context.generate_design_space(), ms.database.MemoryDatabase(), None)
    hashes: list[str] = []
    while batch := context.generate_measure_candidates():
        hashes += [str(tvm_ffi.structural_hash(candidate.sch.mod)) for candidate in batch]
        context.notify_runner_results(batch, [made_up(candidate) for candidate in batch])
    context.post_tuning()
    return hashes


def record() -> dict[str, list[str]]:
    """Each workload cold, from what ships, from a store of its own trials, and from a store of other workloads."""
    intrinsics.register_for("llvm")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        log = str(ROOT / "data" / "metaschedule" / "znver5-1core.tar.xz")
        known = str(Path(folder) / "known")
        command = [sys.executable, "-c", "from cli.main import main; main()", "ingest", log, "--store", known]
        subprocess.run([*command, "--hardware", "AMD EPYC"], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        for name, mod in workloads().items():
            for how, folder_name, seed in (
                ("cold", f"{name}-cold", 7),
                ("from what ships", f"{name}-warm", 7),
                ("from its own trials", f"{name}-warm", 8),
                ("from other workloads", "known", 7),
            ):
                with tunedb.open_store(Path(folder) / folder_name) as store:
                    found[f"{name}, {how}"] = proposed(store, mod, seed=seed, use_prior=how != "cold")
    return found


def main() -> None:
    """Records, and compares if there is something to compare with."""
    found = record()
    if len(sys.argv) == 1:
        print(json.dumps(found, indent=1))
        return
    before = json.loads(Path(sys.argv[1]).read_text())
    for key in sorted(before.keys() | found.keys()):
        old, new = before.get(key, []), found.get(key, [])
        same = sum(one == other for one, other in zip(old, new, strict=False))
        print(f"{key:45} {same:3} of {max(len(old), len(new))} proposals the same")
    sys.exit(before != found)


if __name__ == "__main__":
    main()
