"""What a service takes: clients that push while others ask, in processes of their own against `tunedb serve`.

    python benchmarks/service.py --clients 16 --secs 60

Prints how many trials a second were acknowledged, the latency of `best` meanwhile, errors, and whether what was
acknowledged is what the store has.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import urllib3

from tests.tunedb import samples
from tunedb import open_store
from tunedb.identity import source
from tunedb.store.http.store import HttpStore

_WORKLOADS = 32
_SETTLING_SECS = 5.0
_NICE = 19


def main() -> None:
    """Runs it, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--secs", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=64, help="trials of a push: a batch of a search")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), given.clients, given.readers, given.secs, given.rows), indent=2))


def measured(folder: Path, clients: int, readers: int, secs: float, rows: int) -> dict[str, Any]:
    """Starts a service, lets clients push and readers ask, and counts."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json", "--quiet"]
    command += ["--store", str(folder / "store"), "--state", str(folder / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                text += service.stdout.readline()
            url = json.loads(text)["url"]
            os.environ["TUNEDB_SPOOL"] = str(folder / "spool")
            with HttpStore(url) as store:
                store.append([samples.trial(0)], **samples.AROUND)
            spawn = multiprocessing.get_context("spawn")
            with spawn.Pool(clients + readers) as pool:
                pushed = [pool.apply_async(push, (url, number, secs, rows)) for number in range(clients)]
                asked = [pool.apply_async(ask, (url, clients, secs)) for _ in range(readers)]
                sent = [job.get() for job in pushed]
                latencies = sorted(one for job in asked for one in job.get())
        finally:
            service.terminate()
            service.wait()
    with open_store(folder / "store", create=False) as store:
        stored = store.stats().num_trials
    acknowledged = sum(sent) + 1
    return {
        "clients": clients,
        "clients_nice": _NICE,
        "readers": readers,
        "secs": secs,
        "cores": len(os.sched_getaffinity(0)),
        "trials_per_sec": round(sum(sent) / secs, 1),
        "best_p50_ms": round(1e3 * statistics.median(latencies), 2),
        "best_p99_ms": round(1e3 * latencies[int(0.99 * len(latencies))], 2),
        "asked": len(latencies),
        "acknowledged": acknowledged,
        "stored": stored,
        "waiting": len(list((folder / "spool").glob("*/*.push"))),
    }


def push(url: str, client: int, secs: float, rows: int) -> int:
    """Pushes batches of new trials; gives how many were acknowledged as new.

    It stands for another machine: the service's own comes first where both share a core.
    """
    os.nice(_NICE)
    run = source(f"tune:{client}", "tune")
    workload = samples.workload(f"w{client % _WORKLOADS}")
    module = samples.module(workload)
    known = {"workloads": [workload], "modules": [module], "targets": [samples.TARGET], "hardware": [samples.MACHINE]}
    added, number, ends = 0, 0, time.monotonic() + secs
    with HttpStore(url) as store:
        while time.monotonic() < ends:
            given: Sequence[Any] = [
                samples.trial(
                    number + place,
                    1e-3 + 1e-9 * (client * 1_000_000 + number + place),
                    workload_id=workload.workload_id,
                    module_id=module.module_id,
                    source_id=run.source_id,
                )
                for place in range(rows)
            ]
            number += rows
            added += store.append(given, sources=[run], **known).added
    return added


def ask(url: str, clients: int, secs: float) -> list[float]:
    """Asks for the best of what is being pushed again and again; gives the seconds that each answer took."""
    pool = urllib3.PoolManager(retries=False)
    workloads = [samples.WORKLOAD, *(samples.workload(f"w{client % _WORKLOADS}") for client in range(clients))]
    took, number, ends = [], 0, time.monotonic() + secs
    time.sleep(_SETTLING_SECS)  # until each client has pushed
    while time.monotonic() < ends:
        asked = workloads[number % len(workloads)].workload_id
        began = time.perf_counter()
        answer = pool.request("GET", f"{url}/v1/best/{asked}?target={samples.TARGET.target_id}")
        took.append(time.perf_counter() - began)
        number += 1
        assert answer.status == 200, answer.data
        time.sleep(0.02)
    return took


if __name__ == "__main__":
    main()
