"""A cost model of ours in place of MetaSchedule's own: `cost_model=` of its tuning calls.

Stock evolutionary search scores its first hundred trials at random, because its XGBoost model begins with nothing. With
a model that was trained before, nothing is random from the first trial on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

from costmodels.dataset import Dataset
from costmodels.features import Family
from costmodels.kinds import of_kind
from costmodels.model import CostModel
from tunedb.errors import ModelError

_LEAST = 16  # measured candidates of a run before the model learns from them


@derived_object
class _Pretrained(ms.cost_model.PyCostModel):  # type: ignore[misc]
    """Scores candidates by the prediction of a `CostModel`; learns from the run's measurements."""

    def __init__(self, model: CostModel, learn: bool, seed: int) -> None:
        super().__init__()
        self._given = model
        self._model = model
        self._learn = learn
        self._seed = seed
        self._rows: list[np.ndarray] = []
        self._secs: list[float] = []

    def load(self, path: str) -> None:
        raise ModelError(f"{path}: tunedb's models are loaded by costmodels.load_model")

    def save(self, path: str) -> None:
        """MetaSchedule asks for this at a run's end; the model is in the store's folder already."""

    def update(self, context: Any, candidates: Sequence[Any], results: Sequence[Any]) -> None:
        if not self._learn:
            return
        rows = _features(context).extract([candidate.sch for candidate in candidates], context)
        for row, result in zip(rows, results, strict=True):
            secs = [float(value) for value in result.run_secs or []]
            if not np.isnan(row[0]) and secs and result.error_msg is None:
                self._rows.append(row)
                self._secs.append(float(np.median(secs)))
        if len(self._secs) >= _LEAST:
            taken = np.asarray(self._secs)
            scores = taken.min() / taken
            ids = tuple(str(number) for number in range(len(taken)))
            dataset = Dataset(np.stack(self._rows), scores, np.zeros(len(taken), dtype=np.int64), ("this run",), ids)
            # From what was given, each time: trees upon trees would count the first batches again and again.
            self._model = self._given.updated(dataset, seed=self._seed)

    def predict(self, context: Any, candidates: Sequence[Any]) -> np.ndarray:
        """Scores [n], larger for faster candidates; those that cannot be read come last."""
        scores = np.full(len(candidates), -math.inf)
        rows = _features(context).extract([candidate.sch for candidate in candidates], context)
        usable = np.flatnonzero(~np.isnan(rows[:, 0]))
        if len(usable):
            # Stock's evolutionary search wants scores that are not negative.
            scores[usable] = np.exp(-self._model.predict(rows[usable]).mean)
        return np.where(np.isfinite(scores), scores, 0.0)


def _features(context: Any) -> Family:
    return of_kind(str(context.target.kind.name)).features


def cost_model(model: CostModel, *, learn: bool = True, seed: int = 0) -> Any:
    """A model as MetaSchedule takes one: `ms.tune_tir(..., cost_model=cost_model(loaded.model))`.

    Args:
        model: fitted or loaded; it is not changed.
        learn: whether another one, made of it, learns from the run's measurements, as stock's model does.
        seed: of that learning.

    Returns:
        A `tvm.s_tir.meta_schedule.cost_model.CostModel`.
    """
    return _Pretrained(model, learn, seed)
