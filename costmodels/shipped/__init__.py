"""The bundled prior: what tunedb knows of a kind of target before it has measured anything.

Trials with their features, a model that learned from them, and the best schedules, in three files of this folder.
`make prior` makes them of the logs in `data/`, bit for bit (`costmodels.build_prior`).
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

from costmodels.features.family import Family
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
POOL_COLUMNS = ("workload_id", "name", "family", "epilogue", "extents", "target_id", "best_secs")
VERSION_KEY, CODE_VERSION_KEY = b"tunedb.feature_version", b"tunedb.code_version"

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


@dataclass(frozen=True)
class Prior:
    """A folder of `build_prior`'s; everything is read when it is first asked for, and empty where there is no folder.

    Args:
        features: what the trials are described by.
        code: what the machine code of those that were compiled is described by; None when none was.
        folder: with the three files; None for a kind of target that nothing is known of.
    """

    features: Family
    code: Family | None = None
    folder: Path | None = None

    @property
    def model_folder(self) -> Path | None:
        """The folder of the bundled model; None when there is none."""
        folder = None if self.folder is None else self.folder / MODEL
        return folder if folder is not None and folder.is_dir() else None

    @functools.cached_property
    def pools(self) -> tuple[Pool, ...]:
        """The bundled trials; none when they were described by other features than these."""
        path = self._file(TRIALS)
        if path is None:
            return ()
        import pyarrow.parquet as pq

        schema = pq.read_schema(path)
        if (schema.metadata or {}).get(VERSION_KEY, b"").decode() != self.features.FEATURE_VERSION:
            _log.warning("%s has other features than %s: run `make prior`", path, self.features.FEATURE_VERSION)
            return ()
        return tuple(_pools(pq.read_table(path), self.features, self.code))

    @functools.cached_property
    def code_rows(self) -> Mapping[str, NDArray[np.float64]]:
        """Features of the machine code [c], by trial id, of those bundled trials that were compiled."""
        return {
            trial_id: row
            for pool in self.pools
            if pool.code is not None
            for trial_id, row in zip(pool.trial_ids, pool.code, strict=True)
            if not np.isnan(row[0])
        }

    @functools.cached_property
    def schedules(self) -> tuple[BestSchedules, ...]:
        """The best schedules by workload and target; those of targets of which most is known come first."""
        path = self._file(SCHEDULES)
        if path is None:
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

    def _file(self, name: str) -> Path | None:
        path = None if self.folder is None else self.folder / name
        return path if path is not None and path.is_file() else None


def _trace(instructions: str, decisions: str) -> Trace:
    return Trace(instructions.encode(), decisions.encode())


def _pools(table: Any, features: Family, of_code: Family | None) -> list[Pool]:
    from costmodels.dataset import Pool
    from tunedb.program.families import fused

    matrix = np.column_stack([table.column(name).to_numpy() for name in features.names()]).astype(np.float64)
    code = None
    code_version = (table.schema.metadata or {}).get(CODE_VERSION_KEY, b"").decode()
    if of_code is not None and code_version == of_code.FEATURE_VERSION:
        code = np.column_stack([table.column(name).to_numpy() for name in of_code.names()]).astype(np.float64)
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
