"""Logs to damage: the databases of two runs and the logs of older tuners, how they are packed, and what they say."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.tunedb import graphs
from tests.tunedb.logfiles import ansor, autotvm, autotvm_first_form, record_line, workload_line
from tunedb.ingest.pipeline import ingest
from tunedb.records import Trial
from tunedb.store.memory import MemoryStore

_EXTENTS = {"one": [(4, 8, 16), (32, 8, 16), (64, 4, 2)], "two": [(5, 7, 9), (128, 16, 32)]}
_RECORDS = 12
_MANY = 200  # records of more than what decompressors read at once

Files = dict[str, bytes]  # content by name


def _database(run: str, many: int = _RECORDS) -> Files:
    """A run's database, of workloads that no two of both runs have alike."""
    extents = _EXTENTS[run]
    modules = [graphs.new_form(each) for each in extents]
    workloads = [workload_line(graph, str(1000 + number)) for number, graph in enumerate(modules)]
    records = []
    for number in range(many):
        index = number % len(extents)
        n, m, k = extents[index]
        line = record_line(number + (100 if run == "two" else 0), index=index, run_secs=_run_secs(number))
        args = f'[["TENSOR","float32",[{n},{k}]],["TENSOR","float32",[{k},{m}]],["TENSOR","float32",[{n},{m}]]]'
        records.append(line[: line.rindex(b',[["TENSOR"')] + f",{args}]]".encode())
    return {
        f"{run}/database_tuning_record.json": b"".join(line + b"\n" for line in records),
        f"{run}/database_workload.json": b"".join(line + b"\n" for line in workloads),
    }


def _run_secs(number: int) -> str:
    return "[1e+10]" if number % 5 == 4 else f"[0.00{number + 111},0.00{number + 112}]"


def _log(lines: list[str]) -> bytes:
    return b"".join(line.encode() + b"\n" for line in lines)


@cache
def clean() -> dict[str, Files]:
    """The sets of files that belong together, by name."""
    old = [autotvm(1e-4 * (number + 1), error=4 * (number % 4 == 3)) for number in range(8)]
    return {
        "metaschedule": _database("one"),
        "long": _database("two", _MANY),
        "two runs": {**_database("one"), **_database("two")},
        "autotvm": {"conv/tune.log": _log(["# made by hand", *old, *(autotvm_first_form(3e-3 / n) for n in (1, 2))])},
        "ansor": {"ansor.json": _log([ansor(1e-4 * (number + 1), error=6 * (number == 3)) for number in range(8)])},
    }


def _stream(compress: Callable[[bytes], bytes], suffix: str) -> Callable[[Files], Files]:
    return lambda files: {name + suffix: compress(content) for name, content in files.items()}


def _tar(compress: Callable[[bytes], bytes], suffix: str) -> Callable[[Files], Files]:
    return lambda files: {f"logs.tar{suffix}": compress(_tar_bytes(files))}


def _tar_bytes(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _zip(files: Files) -> Files:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return {"logs.zip": out.getvalue()}


def _zstd(content: bytes) -> bytes:
    """With the checksum that the zstd command writes too."""
    from backports import zstd

    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": _zstd,
}
PACKINGS: dict[str, Callable[[Files], Files]] = {
    "plain": dict,
    "tar": _tar(bytes, ""),
    "zip": _zip,
    **{suffix: _stream(compress, suffix) for suffix, compress in _COMPRESSIONS.items()},
    **{f"tar{suffix}": _tar(compress, suffix) for suffix, compress in _COMPRESSIONS.items()},
}
UNCHECKED = ("plain", "tar")  # no checksum tells that their content was changed


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


Content = tuple[Any, ...]


def unlinked(trial: Trial) -> Content:
    """What a record says by itself, wherever it stands and whichever workload it is given to."""
    trace = (trial.trace.instructions, trial.trace.decisions)
    return (*trace, trial.args_info, trial.target_id, trial.run_secs, trial.outcome, trial.error, trial.measured_at)


@dataclass(frozen=True)
class Truth:
    """What a set of clean files says."""

    trial_of_line: dict[bytes, Trial]
    whole: frozenset[Content]  # trial_id, workload_id, module_id and the rest
    workloads_of: dict[Content, frozenset[str]]  # by the rest: the workloads that were measured so
    workload_ids: frozenset[str]
    lines: frozenset[bytes]


def whole(trial: Trial) -> Content:
    return (trial.trial_id, trial.workload_id, trial.module_id, *unlinked(trial))


@cache
def truth(name: str) -> Truth:
    """What is measured, by the clean files of a set."""
    files = clean()[name]
    store = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files)
        report = ingest(store, [folder])
        uris = {source.source_id: source.uri for source in store.sources()}
        lines = {str(Path(folder, file)): content.split(b"\n") for file, content in files.items()}
    assert not report.rejected, report.rejected
    of_line: dict[bytes, Trial] = {}
    workloads: dict[Content, set[str]] = {}
    for trial in store.trials():
        of_line[lines[uris[trial.source_id]][trial.position]] = trial
        workloads.setdefault(unlinked(trial), set()).add(trial.workload_id)
    return Truth(
        of_line,
        frozenset(map(whole, of_line.values())),
        {content: frozenset(ids) for content, ids in workloads.items()},
        frozenset(trial.workload_id for trial in of_line.values()),
        frozenset(line for content in files.values() for line in content.split(b"\n")),
    )


def said_run_secs(line: bytes) -> tuple[float, ...] | None:
    """The run times that a line says, read by other code than the reader's; None where it says none."""
    try:
        record = json.loads(line)
        if isinstance(record, list):
            secs = record[1][1]
        else:
            secs = (record["result"] if "result" in record else record["r"])[0]
        found = tuple(float(one) for one in secs)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) else None
