"""Features and training on a Dask cluster, for stores that one machine would take too long over.

Workers read the store's tables in place: they are given its URL and which trials, and must be able to open it (a shared
file system, an object store) and have tunedb installed. Each chunk of trials is featurised as on one machine, in a
child process of the worker, so that a bad module cannot take the worker down, and its rows are kept as soon as they are
back. Trees are grown by LightGBM's and XGBoost's own Dask training.

Dask's own protocol moves pickled functions between scheduler, workers and this process: the cluster is to be trusted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.extraction.extract import Featurised, Job, featurise
from tunedb.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunedb.store.contract import Store

_CHUNK = 512  # trials a task: some seconds, against one to start a child process with TVM
_CONNECT_SECS = 10.0
_RETRIES = 3  # of a task whose worker was lost

Answer = tuple[list[str], bytes, dict[str, str], list[str]]  # ids of rows, rows, causes, ids of those that crashed


class Cluster:
    """A Dask cluster that is connected to; a context manager.

    Args:
        address: of the scheduler, such as "tcp://10.0.0.1:8786".

    Raises:
        UsageError: the extra "dask" is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            from dask.distributed import Client
        except ImportError as error:
            raise UsageError("--dask needs Dask: pip install 'tunedb[dask]'") from error
        try:
            self._client: Any = Client(address, timeout=_CONNECT_SECS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the cluster, which goes on."""
        self._client.close()

    @property
    def num_workers(self) -> int:
        """Workers that are there now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def featurise(
        self,
        url: str,
        jobs: Sequence[Job],
        *,
        on_progress: Callable[[int, int], None] | None = None,
        on_rows: Callable[[Mapping[str, NDArray[np.float64]], Mapping[str, str]], None] | None = None,
    ) -> Featurised:
        """As `costmodels.extraction.extract.featurise`; workers read the trials of the jobs from the store at `url`."""
        from dask.distributed import as_completed

        chunks = [
            replace(job, trials=job.trials[i : i + _CHUNK]) for job in jobs for i in range(0, len(job.trials), _CHUNK)
        ]
        total = sum(len(chunk.trials) for chunk in chunks)
        futures = [
            self._client.submit(
                _chunk_features,
                url,
                chunk.module.workload_id,
                chunk.module.module_id,
                chunk.target.target_id,
                [trial.trial_id for trial in chunk.trials],
                chunk.feature_version,
                retries=_RETRIES,
                pure=False,
            )
            for chunk in chunks
        ]
        rows: dict[str, NDArray[np.float64]] = {}
        causes: dict[str, str] = {}
        crashed: set[str] = set()
        try:
            for future in as_completed(futures, loop=self._client.loop):
                found, failed, fell = _decoded(future.result())
                rows.update(found)
                causes.update(failed)
                crashed.update(fell)
                if on_rows is not None:
                    on_rows(found, {key: cause for key, cause in failed.items() if key not in fell})
                if on_progress is not None:
                    on_progress(len(rows) + len(causes), total)
        finally:
            self._client.cancel(futures)
        return Featurised(rows, causes, frozenset(crashed))

    def train_lightgbm(
        self,
        parameters: Mapping[str, Any],
        num_trees: int,
        features: NDArray[np.float64],
        wanted: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
    ) -> Any:
        """A `lightgbm.Booster` grown by all workers on features [n, d], what they are to predict and weights [n]."""
        from lightgbm import DaskLGBMRegressor

        x, y, w = self._spread(features, wanted, np.ones(len(wanted)) if weights is None else weights)
        regressor = DaskLGBMRegressor(client=self._client, n_estimators=num_trees, tree_learner="data", **parameters)
        with self._client.as_current():
            return regressor.fit(x, y, sample_weight=w).booster_

    def train_xgboost(
        self, parameters: Mapping[str, Any], num_trees: int, features: NDArray[np.float64], wanted: NDArray[np.float64]
    ) -> Any:
        """An `xgboost.Booster` grown by all workers, as `train_lightgbm`."""
        from xgboost import dask as xgboost_dask

        x, y = self._spread(features, wanted)
        with self._client.as_current():
            matrix = xgboost_dask.DaskDMatrix(self._client, x, y)
            return xgboost_dask.train(self._client, dict(parameters), matrix, num_boost_round=num_trees)["booster"]

    def _spread(self, features: NDArray[np.float64], *columns: NDArray[np.float64]) -> list[Any]:
        """Rows in as many parts as there are workers."""
        from dask import array

        size = math.ceil(len(features) / max(1, self.num_workers))
        return [array.from_array(features, chunks=(size, -1)), *(array.from_array(c, chunks=size) for c in columns)]


def _decoded(answer: Answer) -> tuple[dict[str, NDArray[np.float64]], dict[str, str], set[str]]:
    ids, raw, causes, crashed = answer
    matrix = np.frombuffer(raw, dtype=np.float64).reshape(len(ids), -1) if ids else np.empty((0, 0))
    return dict(zip(ids, matrix, strict=True)), causes, set(crashed)


def _chunk_features(
    url: str, workload_id: str, module_id: str, target_id: str, trial_ids: list[str], feature_version: str
) -> Answer:
    """What runs on a worker: reads trials from the store, and featurises them in a child process."""
    store = _opened(url)
    target = next(row for row in store.targets() if row.target_id == target_id)
    wanted = set(trial_ids)
    trials = [trial for trial in store.trials(workload_id, target_id) if trial.trial_id in wanted]
    done = featurise([Job(store.module(module_id), target, trials, feature_version)])
    ids = sorted(done.rows)
    raw = np.stack([done.rows[key] for key in ids]).tobytes() if ids else b""
    return ids, raw, done.causes, sorted(done.crashed)


@functools.lru_cache(maxsize=4)
def _opened(url: str) -> Store:
    from tunedb.store.opening import open_store

    return open_store(url, create=False)
