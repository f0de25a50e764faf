"""What tunedb knows before it has measured anything: trials with their features, a model of them, the best schedules.

`make prior` makes all of the logs in `data/`, bit for bit (see `build.py`).
"""

from __future__ import annotations

import functools
import logging
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from costmodels.features import DEFAULT, FAMILIES
from tunedb.identity import canonical_target
from tunedb.records import Target, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodels.dataset import Pool

_log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
TRIALS = "trials.parquet"
SCHEDULES = "schedules.json.xz"
MODEL = "model"
KIND = "llvm"  # of the targets that were measured
POOL_COLUMNS = ("workload_id", "name", "family", "epilogue", "extents", "target_id", "best_secs")
VERSION_KEY, CODE_VERSION_KEY = b"tunedb.feature_version", b"tunedb.code_version"


def shipped_model_folder(kind: str | None) -> Path | None:
    """The folder of the model that ships for a kind of target; None when there is none."""
    folder = FOLDER / MODEL
    return folder if kind == KIND and folder.is_dir() else None


@functools.cache
def shipped_pools(kind: str) -> tuple[Pool, ...]:
    """The pools that ship for a kind of target; none when they were made with other features than these."""
    path = FOLDER / TRIALS
    if kind != KIND or not path.is_file():
        return ()
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    if (schema.metadata or {}).get(VERSION_KEY, b"").decode() != DEFAULT.FEATURE_VERSION:
        _log.warning("%s was made for other features than %s: run `make prior`", path, DEFAULT.FEATURE_VERSION)
        return ()
    return tuple(_pools(pq.read_table(path)))


@functools.cache
def shipped_code(kind: str) -> Mapping[str, NDArray[np.float64]]:
    """Features of the machine code [c], by trial id, of those trials that ship and were compiled."""
    return {
        trial_id: row
        for pool in shipped_pools(kind)
        if pool.code is not None
        for trial_id, row in zip(pool.trial_ids, pool.code, strict=True)
        if not np.isnan(row[0])
    }


_ScheduleRow = tuple[str, str, str, str, list[int], str, list[tuple[str, str]]]  # as `BestSchedules`, in that order


@dataclass(frozen=True, slots=True)
class BestSchedules:
    """The fastest schedules of a workload on a target, the fastest first."""

    workload_id: str
    name: str  # of the workload
    family: str  # of operators: "conv2d"; "" where it is not known
    epilogue: str  # what is fused behind it: "relu", "" for nothing
    extents: tuple[int, ...]  # of the axes of the heaviest block; () where they are not known
    target: Target
    traces: tuple[Trace, ...]


@functools.cache
def shipped_schedules(kind: str) -> tuple[BestSchedules, ...]:
    """The best schedules that ship for a kind of target; those of targets of which most is known come first."""
    path = FOLDER / SCHEDULES
    if kind != KIND or not path.is_file():
        return ()
    # Not Parquet: a search waits for it, and importing its reader takes longer than reading this.
    rows = msgspec.json.decode(lzma.decompress(path.read_bytes()), type=list[_ScheduleRow])
    return tuple(
        BestSchedules(
            workload_id,
            name,
            family,
            epilogue,
            tuple(extents),
            canonical_target(text),
            tuple(_trace(*parts) for parts in traces),
        )
        for workload_id, name, family, epilogue, extents, text, traces in rows
    )


def _trace(instructions: str, decisions: str) -> Trace:
    return Trace(instructions.encode(), decisions.encode())


def _pools(table: Any) -> list[Pool]:
    from costmodels.dataset import Pool
    from tunedb.program.families import fused

    matrix = np.column_stack([table.column(name).to_numpy() for name in DEFAULT.names()]).astype(np.float64)
    code = None
    if (table.schema.metadata or {}).get(CODE_VERSION_KEY, b"").decode() == FAMILIES["machine_code"].FEATURE_VERSION:
        names = FAMILIES["machine_code"].names()
        code = np.column_stack([table.column(name).to_numpy() for name in names]).astype(np.float64)
    scores = table.column("score").to_numpy().astype(np.float64)
    trial_ids = table.column("trial_id").to_pylist()
    keys = list(zip(*(table.column(name).to_pylist() for name in POOL_COLUMNS), strict=True))
    starts = [place for place in range(len(keys)) if place == 0 or keys[place] != keys[place - 1]]
    return [
        Pool(
            workload_id,
            name,
            fused(family, epilogue),
            target_id,
            matrix[start:end],
            scores[start:end],
            tuple(trial_ids[start:end]),
            best_secs=best_secs,
            is_background=True,
            code=None if code is None else code[start:end],
        )
        for start, end in zip(starts, [*starts[1:], len(keys)], strict=True)
        for workload_id, name, family, epilogue, _, target_id, best_secs in [keys[start]]
    ]
