"""How fast the store is, side by side with MetaSchedule's own JSONDatabase on the same files in the same run.

    python benchmarks/store.py --records 1000000 --queried 10000000 --out benchmarks/results/store.json

The log is synthetic: real records of data/ with their decisions and latencies varied, so that every record is another
trial. Stock opens a part of it (it replays every trace), and the rates are compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunedb import identity, open_store
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import this_machine
from tunedb.query.ranking import ranked_best
from tunedb.records import Module, Source, Trial

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "data/metaschedule/znver5-1core.tar.xz"
APPENDS = 64
BATCH = 16
WRITERS, EACH = 8, 20
REPEATS = 15
# Prints a command's peak memory in KiB and its status. Forked from here, it would begin with this process's peak.
PEAK = [
    sys.executable,
    "-c",
    "import os, subprocess, sys; process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL); "
    "_, status, used = os.wait4(process.pid, 0); print(used.ru_maxrss, os.waitstatus_to_exitcode(status))",
]
COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]


def make_logs(folder: Path, records: int) -> None:
    """Writes `records` records over the archive's workloads, in MetaSchedule's own form."""
    rng = random.Random(0)
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
    files = sorted(folder.rglob("*_tuning_record.json"))
    for place, path in enumerate(files):
        wanted = records * (place + 1) // len(files) - records * place // len(files)
        known = [json.loads(line) for line in path.read_text().splitlines()]
        known = [record for record in known if record[1][1][0] < 1e9]
        with path.open("w") as out:
            for number in range(wanted):
                index, ((instructions, decisions), run_secs, target, args) = known[number % len(known)]
                varied = [[i, [rng.randint(1, 64) for _ in v] if isinstance(v, list) else v] for i, v in decisions]
                secs = [run_secs[0] * rng.uniform(0.9, 3.0)]
                out.write(
                    json.dumps([index, [[instructions, varied], secs, target, args]], separators=(",", ":")) + "\n"
                )


def stock_rate(records: int) -> float:
    """Records a second that stock opens: unchanged logs of the archive, in a fresh process."""
    program = f"""
import sys, time
from tunedb.metaschedule.intrinsics import register_for
register_for("llvm")
from tvm.s_tir import meta_schedule as ms
from pathlib import Path
opened = 0
start = time.perf_counter()
for folder in sorted(Path(sys.argv[1]).rglob("*_tuning_record.json")):
    opened += len(ms.database.JSONDatabase(work_dir=str(folder.parent)))
    if opened >= {records}:
        break
print(opened / (time.perf_counter() - start))
"""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
        done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    return float(done.stdout)


def timed(action: Any, repeats: int = REPEATS) -> dict[str, float]:
    """Median, 90th percentile and worst of `repeats` calls, in milliseconds."""
    figures = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        figures.append((time.perf_counter() - start) * 1e3)
    ninth = sorted(figures)[int(0.9 * len(figures))]
    return {"median": statistics.median(figures), "p90": ninth, "max": max(figures)}


def new_trials(template: Trial, source: Source, batch: int) -> list[Trial]:
    """Sixteen trials that are in no store yet."""
    made = []
    for number in range(BATCH):
        run_secs = (1.0 + batch * BATCH + number,)
        trial = replace(template, run_secs=run_secs, source_id=source.source_id)
        made.append(replace(trial, trial_id=identity.trial_id_of(trial)))
    return made


def main() -> None:
    """Measures, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--queried", type=int, default=0, help="ask a store of so many trials as well")
    parser.add_argument("--stock-records", type=int, default=1_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--append-to", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.append_to:
        append_to(options.append_to[0], int(options.append_to[1]))
        return
    work = Path(tempfile.mkdtemp(prefix="tunedb-bench-"))
    try:
        measured = measure(work, options.records, options.stock_records, options.queried)
    finally:
        shutil.rmtree(work)
    for name, value in measured["figures"].items():
        print(f"{name:72}{value:>16,.2f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(measured, indent=2) + "\n")


def ask(url: str) -> dict[str, float]:
    """How long questions and appends take."""
    with open_store(url) as store:
        workload = store.workloads()[len(store.workloads()) // 2]
        (target,) = store.targets()
        trials = store.stats().num_trials

        def open_and_best() -> None:
            with open_store(url) as fresh:
                fresh.best(workload.workload_id, target.target_id)

        def open_and_rank() -> None:
            with open_store(url) as fresh:
                ranked_best(fresh, workload.workload_id, target.target_id)

        opened = timed(open_and_best)
        ranked = timed(open_and_rank)
        warm = timed(lambda: store.best(workload.workload_id, target.target_id))
        command = [*COMMAND, "best", workload.workload_id, "--store", url]
        as_command = timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT), 5)
        template = store.best(workload.workload_id, target.target_id)[0]
        source = identity.source(f"benchmark:{trials}", "tune")
        batches = iter([new_trials(template, source, trials + batch) for batch in range(APPENDS)])
        append = timed(lambda: store.append(next(batches), sources=[source]), APPENDS)
        assert store.stats().num_trials == trials + APPENDS * BATCH
    return {
        "open and best by hash, median ms": opened["median"],
        "open and best by pooled estimate, as `tunedb best`, median ms": ranked["median"],
        "best by hash in an open store, median ms": warm["median"],
        "`tunedb best`, median ms": as_command["median"],
        "append of 16 trials, median ms": append["median"],
        "append of 16 trials, 90th percentile, ms": append["p90"],
        "append of 16 trials, worst of 64, ms": append["max"],
    }


def peaks(url: str, work: Path, *, is_sound: bool = True) -> dict[str, float]:
    """Peak memory in MiB of commands that read a whole store. Verify tells workloads that `multiply` made up."""
    commands = {
        "verify": ["verify", "--store", url],
        "merge into a new store": ["merge", url, "--store", str(work / "merged")],
        "export of Parquet": ["export", str(work / "trials.parquet"), "--store", url],
    }
    found = {}
    for name, arguments in commands.items():
        start = time.perf_counter()
        done = subprocess.run([*PEAK, *COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        peak, status = map(int, done.stdout.split()[-2:])
        assert status == (name == "verify" and not is_sound), f"{name} ended with {status}: {done.stderr[-500:]}"
        found[f"{name}: peak memory, MiB"] = peak / 1024
        found[f"{name}, s"] = time.perf_counter() - start
    shutil.rmtree(work / "merged")
    (work / "trials.parquet").unlink()
    return found


def multiply(url: str, times: int) -> None:
    """Appends every trial again for so many other workloads, with latencies of their own."""
    rng = random.Random(1)
    with open_store(url) as store:
        modules = {row.module_id: row for summary in store.workloads() for row in store.modules(summary.workload_id)}
        batches: list[list[Trial]] = [[]]
        for trial in store.trials():
            batches[-1].append(trial)
            if len(batches[-1]) == 16_384:
                batches.append([])
        workloads = {row.workload_id: store.workload(row.workload_id) for row in store.workloads()}
        for number in range(1, times):
            known = {
                row.module_id: replace(
                    row,
                    workload_id=identity.content_hash(row.workload_id, str(number)),
                    module_id=identity.content_hash(row.module_id, str(number)),
                )
                for row in modules.values()
            }
            around = [
                replace(row, workload_id=identity.content_hash(row.workload_id, str(number)))
                for row in workloads.values()
            ]
            for batch in batches:
                trials = [varied(trial, known[trial.module_id], rng) for trial in batch]
                store.append(trials, workloads=around, modules=list(known.values()))


def varied(trial: Trial, module: Module, rng: random.Random) -> Trial:
    """The trial as if it had been of another workload."""
    run_secs = (trial.run_secs[0] * rng.uniform(0.9, 1.1),)
    other = replace(trial, workload_id=module.workload_id, module_id=module.module_id, run_secs=run_secs)
    return replace(other, trial_id=identity.trial_id_of(other))


def append_at_once(url: str) -> dict[str, float]:
    """Eight processes append at once: commits a second, and whether anything is lost."""
    with open_store(url) as store:
        before = store.stats().num_trials
    start = time.perf_counter()
    program = [sys.executable, str(Path(__file__)), "--append-to", url]
    writers = [subprocess.Popen([*program, str(number)], cwd=ROOT) for number in range(WRITERS)]
    failed = sum(writer.wait() != 0 for writer in writers)
    secs = time.perf_counter() - start
    with open_store(url) as store:
        lost = before + WRITERS * EACH * BATCH - store.stats().num_trials
    return {
        "8 processes appending at once: commits/s, start-up included": WRITERS * EACH / secs,
        "8 processes appending at once: failed": float(failed),
        "8 processes appending at once: trials lost": float(lost),
    }


def append_to(url: str, number: int) -> None:
    """One of the eight."""
    with open_store(url) as store:
        template = next(iter(store.best(store.workloads()[0].workload_id)))
        source = identity.source(f"benchmark writer:{number}", "tune")
        for batch in range(EACH):
            store.append(new_trials(template, source, (number + 1) * 1_000_000 + batch), sources=[source])


def measure(work: Path, records: int, stock_records: int, queried: int) -> dict[str, Any]:
    """All figures of one run."""
    make_logs(work / "logs", records)
    url = str(work / "store")
    with open_store(url) as store:
        start = time.perf_counter()
        report = ingest(store, [work / "logs"])
        ingest_secs = time.perf_counter() - start
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert report.added == records, f"{report.added} of {records} added"
    stock = stock_rate(stock_records)
    help_ms = timed(lambda: subprocess.run([*COMMAND, "--help"], check=True, capture_output=True, cwd=ROOT))["median"]

    asked = ask(url)
    crowd = append_at_once(url)
    whole = peaks(url, work)
    larger = {}
    if queried:
        multiply(url, -(-queried // records))
        larger = {f"of {queried:,}: {name}": figure for name, figure in ask(url).items()}
        with open_store(url) as store:
            start = time.perf_counter()
            store.compact()
            larger[f"of {queried:,}: compact, s"] = time.perf_counter() - start
        larger |= {f"of {queried:,}, compacted: {name}": figure for name, figure in ask(url).items()}
        larger |= {
            f"of {queried:,}, compacted: {name}": figure for name, figure in peaks(url, work, is_sound=False).items()
        }
    rate = records / ingest_secs
    return {
        "command": " ".join(["python", *sys.argv]),
        "machine": {"platform": platform.platform(), **asdict(this_machine())},
        "note": "two shared cores of a virtual machine; other work may have run beside",
        "figures": {
            "records": float(records),
            "ingest, records/s": rate,
            "stock JSONDatabase opens, records/s": stock,
            "ingest over stock, times": rate / stock,
            "peak memory of ingest, MiB": peak_mib,
            "`tunedb --help`, median ms": help_ms,
            **asked,
            **crowd,
            **whole,
            **larger,
        },
    }


if __name__ == "__main__":
    main()
