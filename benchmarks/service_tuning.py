"""What tuning through a service costs: the same runs with a store in a folder, and with one that a service keeps.

    python benchmarks/service_tuning.py --pairs 4 --tuner-core 0 --service-core 1

The runs take turns, each with an empty store of its own, a new process, and the same seed. Prints the median time of
both, and of the ratios of the pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SPEC = "examples/workloads.py:matmul"


def main() -> None:
    """Runs it, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--tuner-core", type=int, default=0)
    parser.add_argument("--service-core", type=int, default=1)
    parser.add_argument("--output", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = measured(Path(folder), given.pairs, given.trials, given.tuner_core, given.service_core)
    text = json.dumps(told, indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


def measured(folder: Path, pairs: int, trials: int, tuner_core: int, service_core: int) -> dict[str, Any]:
    """Tunes in turn with either kind of store."""
    took: dict[str, list[float]] = {"folder": [], "service": []}
    for pair in range(pairs):
        kinds = ("folder", "service") if pair % 2 == 0 else ("service", "folder")
        for kind in kinds:
            here = folder / f"{pair}-{kind}"
            here.mkdir()
            if kind == "folder":
                took[kind].append(tuned(str(here / "store"), here, trials, pair, tuner_core))
            else:
                with served(here, service_core) as url:
                    took[kind].append(tuned(url, here, trials, pair, tuner_core))
            print(f"{kind}: {took[kind][-1]:.2f} s", file=sys.stderr, flush=True)
    ratios = [there / here for here, there in zip(took["folder"], took["service"], strict=True)]
    return {
        "spec": _SPEC,
        "trials": trials,
        "pairs": pairs,
        "tuner_core": tuner_core,
        "service_core": service_core,
        "folder_secs": [round(one, 3) for one in took["folder"]],
        "service_secs": [round(one, 3) for one in took["service"]],
        "folder_median_secs": round(statistics.median(took["folder"]), 3),
        "service_median_secs": round(statistics.median(took["service"]), 3),
        "slower_by_percent": round(100 * (statistics.median(ratios) - 1), 2),
    }


def tuned(store: str, folder: Path, trials: int, seed: int, core: int) -> float:
    """The seconds of a run, from the start of the command to its end."""
    command = [sys.executable, "-m", "cli.main", "tune", _SPEC, "--store", store, "--quiet", "--seed", str(seed)]
    environment = {**os.environ, "TUNEDB_SPOOL": str(folder / "spool")}
    began = time.perf_counter()
    with subprocess.Popen([*command, "--trials", str(trials)], env=environment, stdout=subprocess.DEVNULL) as run:
        os.sched_setaffinity(run.pid, {core})
        if run.wait():
            raise SystemExit(f"the run ended with status {run.returncode}")
    return time.perf_counter() - began


@contextmanager
def served(folder: Path, core: int) -> Iterator[str]:
    """A service over an empty store, and its URL."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json", "--quiet"]
    command += ["--store", str(folder / "store"), "--state", str(folder / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        os.sched_setaffinity(service.pid, {core})
        try:
            assert service.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                text += service.stdout.readline()
            yield str(json.loads(text)["url"])
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
