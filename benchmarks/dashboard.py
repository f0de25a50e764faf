"""How soon the dashboard's pages are there, over a store of a million trials of 10,000 workloads.

    python -m benchmarks.dashboard WORK --out benchmarks/results/dashboard.json

The store is synthetic and is made in WORK if it is not there. Three things are measured, each of processes of its own;
figures are medians, in seconds:

- the command: from `tunedb dashboard` until it listens, until the first page's HTML is there, which is asked for at
  once, and until all plots that stand in it are there, too;
- the first page of a process that was started some seconds before and has answered nothing yet, and the processor time
  that it took;
- every view of such a process, one after the other, its HTML alone and with its plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import urllib3

from service.dashboard.registry import views
from tunedb import identity, open_store
from tunedb.machine.hardware import this_machine
from tunedb.query.runs import tuning_runs
from tunedb.records import Hardware, Outcome, Source, Workload
from tunedb.store.batch import Batch, TrialColumns

FAMILIES = ("matmul", "conv2d", "depthwise_conv2d", "softmax", "layer_norm", "max_pool2d")
MACHINES = (("AMD EPYC 9965", "znver5"), ("Intel Xeon Gold 6430", "sapphirerapids"), ("Ampere Altra", "neoverse-n1"))
FAILED = (Outcome.COMPILE_ERROR, Outcome.RUN_TIMEOUT, Outcome.WRONG_RESULT)
TASKS = 25  # of a run
START = datetime(2026, 8, 1, tzinfo=UTC)
SHARED = b'[["GetSBlock",[],["main","main"],["b0"]]]'
ROUNDS = 3
SETTLED_SECS = 5.0


def make_store(folder: Path, trials: int, workloads: int) -> None:
    """Makes a store of synthetic runs, each of `TASKS` workloads on one machine; one trial in 25 failed."""
    rng = random.Random(0)
    hardware = [identity.identified(Hardware("", name, "cpu", num_cores=1)) for name, _ in MACHINES]
    targets = [identity.canonical_target({"kind": "llvm", "mcpu": mcpu, "num-cores": 1}) for _, mcpu in MACHINES]
    known = [_workload(number) for number in range(workloads)]
    runs = -(-workloads // TASKS)
    per_run = trials // runs
    with open_store(folder) as store:
        for first in range(0, runs, 40):
            batch = Batch(workloads=known, targets=list(targets), hardware=list(hardware)) if first == 0 else Batch()
            columns: list[list[Any]] = []
            for run in range(first, min(first + 40, runs)):
                place = run % len(MACHINES)
                added = START + timedelta(hours=run * 7)
                detail = {"strategy": rng.choice(("bo", "bo", "es")), "seed": run}
                source = identity.source(f"tune:{identity.content_hash(str(run))}", "tune", detail)
                batch.sources.append(Source(source.source_id, source.uri, source.format, source.detail, added))
                mine = known[run * TASKS : (run + 1) * TASKS]
                ids = (targets[place].target_id, hardware[place].hardware_id, source.source_id)
                columns += _trials(rng, mine, ids, added, per_run)
            batch.trials = TrialColumns(
                [[list(column) for column in zip(*columns, strict=True)]],
                {identity.instructions_id(SHARED): SHARED},
            )
            store.append_batch(batch)


def _workload(number: int) -> Workload:
    family = FAMILIES[number % len(FAMILIES)]
    extents = (1, 8 * (1 + number % 97), 16 * (1 + number % 89), 32 * (1 + number % 83))
    name = f"{family} {'x'.join(map(str, extents))} float32"
    signature = json.dumps({"synthetic": number})
    return Workload(identity.content_hash(signature), name, family, "", extents, signature)


def _trials(
    rng: random.Random, workloads: list[Workload], ids: tuple[str, str, str], started: datetime, number: int
) -> list[list[Any]]:
    target, hardware, source = ids
    shared = identity.instructions_id(SHARED)
    floors = {row.workload_id: 1e-5 * rng.lognormvariate(0, 2) for row in workloads}
    rows: list[list[Any]] = []
    for position in range(number):
        workload = workloads[position % len(workloads)].workload_id
        decisions = f"[[0,[{position},{rng.getrandbits(31)}]]]".encode()
        outcome = rng.choice(FAILED) if rng.random() < 0.04 else Outcome.OK
        secs = (floors[workload] * (1 + rng.expovariate(0.5 + position / number)),) if outcome is Outcome.OK else ()
        trace = identity.trace_id_of_parts(shared, b"[]", decisions)
        trial = identity.content_hash(workload, target, hardware, trace, repr(secs))
        measured = started + timedelta(seconds=2 * position)
        error = "" if secs else f"{outcome}: synthetic"
        schedule = (trace, shared, b"[]", decisions, b"[]")
        told = (secs, outcome.value, error, measured, "{}", "")
        rows.append([trial, workload, "", target, hardware, source, position, *schedule, *told])
    return rows


@contextmanager
def dashboard(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, float]]:
    """A process that shows a store, its address, and when it was started."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "dashboard", "--no-browser", "--json"]
    began = time.perf_counter()
    service = subprocess.Popen([*command, "--store", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        yield service, json.loads("".join(iter(service.stdout.readline, "}\n")) + "}")["url"], began
    finally:
        service.terminate()
        service.wait()


def from_the_command(folder: Path) -> dict[str, float]:
    """Seconds from the start of the command."""
    with dashboard(folder) as (_, url, began):
        listening = time.perf_counter() - began
        html, plots = _page(urllib3.PoolManager(), url, "/", began)
        return {"listening": listening, "html": html, "plots": plots}


def first_page(folder: Path) -> dict[str, float]:
    """Seconds for the first page of a process that has started, as a service has that somebody looks at."""
    with dashboard(folder) as (service, url, _):
        time.sleep(SETTLED_SECS)
        used = _cpu_secs(service.pid)
        html, plots = _page(urllib3.PoolManager(), url, "/", time.perf_counter())
        return {"html": html, "plots": plots, "cpu": _cpu_secs(service.pid) - used}


def every_view(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds for each view of a process that has started."""
    given = _filters(folder)
    found = {}
    with dashboard(folder) as (_, url, _):
        time.sleep(SETTLED_SECS)
        pool = urllib3.PoolManager()
        for view in views():
            path = f"/dashboard/{view.name}?{urlencode([(name, given[name]) for name in view.needs])}"
            html, plots = _page(pool, url, path, time.perf_counter())
            found[view.name] = {"html": html, "plots": plots}
    return found


def _filters(folder: Path) -> dict[str, str]:
    """A run, which is compared with itself, a workload of it, and its target."""
    with open_store(folder) as store:
        run = tuning_runs(store)[-1].source_id
        ((workload, target),) = store.sql(
            f"SELECT min(workload_id), min(target_id) FROM trials WHERE source_id = '{run}'"
        ).rows
    return {"run": run[:12], "other": run[:12], "workload": workload[:12], "target": target[:12]}


def _cpu_secs(pid: int) -> float:
    """Processor time that a process has used, which a busy machine does not add to."""
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def _page(pool: urllib3.PoolManager, url: str, path: str, began: float) -> tuple[float, float]:
    """Seconds since a moment until the HTML is there, and until the plots that a light page shows are there, too."""
    answer = pool.request("GET", url + path, headers={"Accept": "text/html"})
    html = time.perf_counter() - began
    assert answer.status == 200, answer.data
    for address in re.findall(r'<img src="([^"]+)"', answer.data.decode()):
        assert pool.request("GET", url + address.replace("&amp;", "&")).status == 200
    return html, time.perf_counter() - began


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}


def _print(what: str, figures: dict[str, float]) -> None:
    print(f"{what}: {', '.join(f'{name} {secs:.2f} s' for name, secs in figures.items())}", flush=True)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder of the store, which is kept")
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="JSON file")
    asked = parser.parse_args()
    folder = asked.work / f"store-{asked.trials}-{asked.workloads}"
    if not folder.exists():
        make_store(folder, asked.trials, asked.workloads)
    command = _medians([from_the_command(folder) for _ in range(ROUNDS)])
    _print("from the command's start", command)
    first = _medians([first_page(folder) for _ in range(ROUNDS)])
    _print("the first page of a process that has started", first)
    rounds = [every_view(folder) for _ in range(ROUNDS)]
    by_view = {name: _medians([one[name] for one in rounds]) for name in rounds[0]}
    for name, figures in by_view.items():
        _print(name, figures)
    result = {
        "machine": this_machine().name,
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "trials": asked.trials,
        "workloads": asked.workloads,
        "rounds": ROUNDS,
        "from_command_secs": command,
        "first_page_secs": first,
        "view_secs": by_view,
    }
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
