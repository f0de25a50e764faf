"""How well a network's tuning tells, while it runs, how long it goes on: the seconds told against those that it took.

    python -m benchmarks.time_left --core 0 --trials 200 --out benchmarks/results/time-left.json

Each network is tuned from an empty store. What the run tells after a tenth, a quarter and a half of its time is
compared with its end; 20% off after a tenth is aimed at.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.models import MODELS, write
from search import networks
from search.options import TuneOptions
from search.standing import Standing
from search.targets import local_target, parse_target
from tunedb import open_store
from tunedb.machine.hardware import this_machine

SHARES = (0.1, 0.25, 0.5)


def told(name: str, trials: int, seed: int, target_text: str) -> dict[str, Any]:
    """What one run told, by how much of it was done."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store", create=True) as store:
        model = write(name, Path(folder))
        started = time.perf_counter()
        points: list[tuple[float, float]] = []  # seconds since the beginning, and the end that is foretold

        def on_standing(standing: Standing) -> None:
            if standing.left_secs is not None:
                now = time.perf_counter() - started
                points.append((now, now + standing.left_secs))

        networks.tune(
            str(model),
            trials,
            store=store,
            target=parse_target(target_text),
            options=TuneOptions(trials, seed=seed),
            on_standing=on_standing,
        )
        secs = time.perf_counter() - started
    row: dict[str, Any] = {"network": name, "trials": trials, "seed": seed, "secs": secs}
    for share in SHARES:
        after = [end for at, end in points if at >= share * secs]
        row[f"off after {share:.0%}"] = after[0] / secs - 1.0 if after else None
    return row


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["resnet18", "mobilenetv2", "bert-tiny"])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--core", type=int, help="pin to this core")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    os.environ["TVM_NUM_THREADS"] = "1"
    target = json.dumps({"kind": "llvm", "mcpu": local_target().arch, "num-cores": 1})
    rows = []
    for name in options.models:
        for seed in options.seeds:
            row = told(name, options.trials, seed, target)
            rows.append(row)
            figures = ", ".join(
                f"{key} {value:+.0%}" for key, value in row.items() if key.startswith("off") and value is not None
            )
            print(f"{name:<12} seed {seed}: {row['secs']:.0f} s; {figures}", flush=True)
    if options.out is not None:
        document = {"machine": this_machine().name, "target": target, "rows": rows}
        options.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
