"""Features of trials, kept next to the store so that each trial is replayed once per feature version.

`<store>/features/<feature version>/tvm-<release>/<hash>.parquet`, one column a feature. A file is named by what it
holds and never changes, and appears under its name only when it is whole: any number of processes may add files.
What cannot be featurised is remembered by its cause. Lost or damaged files only cost time.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from costmodels.features import DEFAULT, Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class FeatureCache:
    """Rows of features and causes of failure by trial id.

    Args:
        store_folder: the store's folder; the cache makes its own below it when first written.
        tvm_version: the TVM release that computes the features; another one may lower differently.
        family: which features.
    """

    def __init__(self, store_folder: Path, tvm_version: str, family: Family = DEFAULT) -> None:
        self._folder = store_folder / "features" / family.FEATURE_VERSION / f"tvm-{tvm_version}"
        self._names = family.names()

    def read(self, trial_ids: Collection[str]) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
        """Rows [d] and causes by trial id, of those trials that are there."""
        import pyarrow
        import pyarrow.parquet as pq

        wanted = set(trial_ids)
        rows: dict[str, NDArray[np.float64]] = {}
        causes: dict[str, str] = {}
        for path in sorted(self._folder.glob("*.parquet")):
            try:
                table = pq.read_table(path, columns=["trial_id", "cause", *self._names])
            except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
                _log.warning("ignoring %s: %s", path, error)
                continue
            ids = table.column("trial_id").to_pylist()
            failures = table.column("cause").to_pylist()
            matrix = np.column_stack([table.column(name).to_numpy() for name in self._names])
            for trial_id, cause, row in zip(ids, failures, matrix, strict=True):
                if trial_id not in wanted:
                    continue
                if cause:
                    causes[trial_id] = cause
                else:
                    rows[trial_id] = row
        return rows, causes

    def write(self, rows: Mapping[str, NDArray[np.float64]], causes: Mapping[str, str]) -> None:
        """Adds a file with these rows [d] and causes; does nothing when there are none."""
        import pyarrow
        import pyarrow.parquet as pq

        ids = sorted({*rows, *causes})
        if not ids:
            return
        unknown = np.full(len(self._names), np.nan)
        matrix = np.stack([rows.get(trial_id, unknown) for trial_id in ids])
        columns = {"trial_id": ids, "cause": ["" if trial_id in rows else causes[trial_id] for trial_id in ids]}
        table = pyarrow.table({**columns, **dict(zip(self._names, matrix.T, strict=True))})
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:32]}.parquet"
        unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            pq.write_table(table, unfinished, compression="zstd")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
