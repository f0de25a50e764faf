"""Features of trials, kept among the files of a store so that each trial is replayed once per feature version.

`features/<feature version>/tvm-<release>/<hash>.parquet`, one column a feature. A file is named by what it holds and
never changes, and appears under its name only when it is whole: any number of processes may add files. What cannot be
featurised is kept with its cause. Lost or damaged files, and those that cannot be written, only cost time.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from costmodels.features import Family
from tunedb.errors import NotFoundError, StoreError
from tunedb.store.artifacts import Artifacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class FeatureCache:
    """Rows of features and causes of failure by trial id.

    Args:
        artifacts: the files of the store that has the trials.
        tvm_version: the TVM release that computes the features; another one may lower differently.
        family: the family of features that are kept.
    """

    def __init__(self, artifacts: Artifacts, tvm_version: str, family: Family) -> None:
        self._artifacts = artifacts
        self._folder = f"features/{family.FEATURE_VERSION}/tvm-{tvm_version}"
        self._names = family.names()

    def read(self, trial_ids: Collection[str]) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
        """Rows [d] and causes by trial id, of those trials that are there."""
        import pyarrow
        import pyarrow.parquet as pq

        wanted = set(trial_ids)
        rows: dict[str, NDArray[np.float64]] = {}
        causes: dict[str, str] = {}
        for name in self._artifacts.names(self._folder):
            try:
                content = pyarrow.BufferReader(self._artifacts.read(name))
                table = pq.read_table(content, columns=["trial_id", "cause", *self._names])
                ids = table.column("trial_id").to_pylist()
                failures = table.column("cause").to_pylist()
                matrix = np.column_stack([table.column(column).to_numpy() for column in self._names])
            except (pyarrow.ArrowException, NotFoundError, OSError, ValueError, KeyError) as error:
                _log.warning("ignoring %s: %s", self._artifacts.location(name), error)
                continue
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
        name = f"{self._folder}/{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:32]}.parquet"
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        try:
            self._artifacts.write(name, content.getvalue())
        except StoreError as error:
            _log.warning("these features will have to be computed again: %s", error)
