"""What a service takes: clients that push while others ask, in processes of their own against `tunedb serve`.

    python benchmarks/service.py --clients 16 --secs 60
    python benchmarks/service.py --soak --secs 600      # at a steady pace: whether memory stays as it is

Prints how many trials a second were acknowledged, the latency of `best` meanwhile, errors, and whether what was
acknowledged is what the store has.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
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
_NICE = 19
_SOAK_PAUSE_SECS = 0.5
_LOOK_SECS = 1.0


def main() -> None:
    """Runs it, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--secs", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=64, help="trials of a push: a batch of a search")
    parser.add_argument("--soak", action="store_true", help="push twice a second each, and look at the memory")
    parser.add_argument("--output", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    pause = _SOAK_PAUSE_SECS if given.soak else 0.0
    with tempfile.TemporaryDirectory() as folder:
        told = measured(Path(folder), given.clients, given.readers, given.secs, given.rows, pause)
    text = json.dumps(told, indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


def measured(folder: Path, clients: int, readers: int, secs: float, rows: int, pause: float = 0.0) -> dict[str, Any]:
    """Starts a service, lets clients push and readers ask, and counts."""
    memory: list[float] = []
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
                pushed = [pool.apply_async(push, (url, number, secs, rows, pause)) for number in range(clients)]
                asked = [pool.apply_async(ask, (url, number, clients, secs)) for number in range(readers)]
                placed = placement(service.pid)
                while not all(job.ready() for job in pushed):
                    memory.append(resident_mib(service.pid))
                    time.sleep(_LOOK_SECS)
                pushes = [job.get() for job in pushed]
                latencies = sorted(one for job in asked for one in job.get())
        finally:
            service.terminate()
            service.wait()
    with open_store(folder / "store", create=False) as store:
        stored = store.stats().num_trials
    acknowledged = sum(added for added, _ in pushes) + 1
    receipts = sorted(one for _, took in pushes for one in took)
    settled = memory[len(memory) // 3 :]
    tenths = [memory[place * (len(memory) - 1) // 10] for place in range(11)]
    return {
        "clients": clients,
        "clients_nice": _NICE,
        "readers": readers,
        "secs": secs,
        "machine_cores": os.cpu_count(),
        **placed,
        "trials_per_sec": round(acknowledged / secs, 1),
        "best_p50_ms": _percentile(latencies, 0.5),
        "best_p90_ms": _percentile(latencies, 0.9),
        "best_p99_ms": _percentile(latencies, 0.99),
        "push_p50_ms": _percentile(receipts, 0.5),
        "push_p99_ms": _percentile(receipts, 0.99),
        "asked": len(latencies),
        "acknowledged": acknowledged,
        "stored": stored,
        "errors": 0,  # one ends the run
        "memory_mib_at_a_third": settled[0],
        "memory_mib_at_the_end": settled[-1],
        "memory_mib_at_most": max(memory),
        "memory_mib_by_tenths": tenths,
        "waiting": len(list((folder / "spool").glob("*/*.push"))),
    }


def _percentile(ordered: Sequence[float], share: float) -> float:
    """In milliseconds, of seconds."""
    return round(1e3 * ordered[int(share * len(ordered))], 2)


def processes(pid: int) -> list[int]:
    """A process and those that it started."""
    started = [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in _text(task / "children").split()]
    return [pid, *started]


def resident_mib(pid: int) -> float:
    """The memory of a service, with that of the process that commits for it."""
    pages = sum(int((_text(Path(f"/proc/{one}/statm")) or "0 0").split()[1]) for one in processes(pid))
    return round(pages * os.sysconf("SC_PAGESIZE") / 2**20, 1)


def placement(pid: int) -> dict[str, list[int]]:
    """Which cores the service may run on, and which its clients."""
    return {
        "service_cores": sorted(os.sched_getaffinity(pid)),
        "client_cores": sorted(os.sched_getaffinity(0)),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def push(url: str, client: int, secs: float, rows: int, pause: float) -> tuple[int, list[float]]:
    """Pushes batches of new trials; gives how many were acknowledged as new, and the seconds that each push took.

    It stands for another machine: the service's own comes first where both share a core.
    """
    os.nice(_NICE)
    run = source(f"tune:{client}", "tune")
    workload = samples.workload(f"w{client % _WORKLOADS}")
    module = samples.module(workload)
    known = {"workloads": [workload], "modules": [module], "targets": [samples.TARGET], "hardware": [samples.MACHINE]}
    took: list[float] = []
    added, number, ends, chance = 0, 0, time.monotonic() + secs, random.Random(client)
    with HttpStore(url) as store:
        while time.monotonic() < ends:
            given: Sequence[Any] = [
                samples.trial(
                    number + place,
                    1e-3 * chance.lognormvariate(0.0, 1.0),
                    workload_id=workload.workload_id,
                    module_id=module.module_id,
                    source_id=run.source_id,
                )
                for place in range(rows)
            ]
            number += rows
            began = time.perf_counter()
            added += store.append(given, sources=[run], **known).added
            took.append(time.perf_counter() - began)
            time.sleep(pause)
    return added, took


def ask(url: str, reader: int, clients: int, secs: float) -> list[float]:
    """Asks for the best of what is being pushed again and again; gives the seconds that each answer took."""
    pool = urllib3.PoolManager(retries=False)
    workloads = [samples.WORKLOAD, *(samples.workload(f"w{client % _WORKLOADS}") for client in range(clients))]
    took, ends, chance = [], time.monotonic() + secs, random.Random(reader)
    while time.monotonic() < ends:
        asked = chance.choice(workloads).workload_id
        began = time.perf_counter()
        answer = pool.request("GET", f"{url}/v1/best/{asked}?target={samples.TARGET.target_id}")
        if answer.status == 404:  # its client has not pushed yet
            time.sleep(0.5)
            continue
        took.append(time.perf_counter() - began)
        assert answer.status == 200, answer.data
        time.sleep(0.02)
    return took


if __name__ == "__main__":
    main()
