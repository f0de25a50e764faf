"""A Gaussian process on a part of the trials: what scikit-learn gives without trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec
import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.dataset import Dataset, fold_numbers
from costmodels.model import CostModel, HyperParameters, Prediction, Range
from costmodels.models.files import check_bounded, check_positive, reading
from tunedb.errors import ModelError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILE = "trials.json"
_FOLDS = 3  # for held-out predictions
_NOISE = 0.1  # variance of log cost, nats squared
_MOST = 10_000  # trials, above which fitting takes minutes
_LARGEST = 8.0  # log costs beyond are all the same: hopeless


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_trials: int
    length_scale: float
    centre: list[float]  # [d]
    scale: list[float]  # [d]
    rows: list[list[float]]  # [n, d] standardised
    costs: list[float]  # [n] log costs, nats


class GaussianProcessModel(CostModel):
    """scikit-learn's Gaussian process (Matern 5/2 on standardised features) on at most so many trials.

    Args:
        max_trials: drawn from all; the time to fit grows with the third power.
        length_scale: of the kernel, where the typical distance of two candidates is about 1.
    """

    kind: ClassVar[str] = "gaussian-process"

    def __init__(self, *, max_trials: int = 1000, length_scale: float = 1.0) -> None:
        if not 0 < max_trials <= _MOST:
            raise UsageError(f"a {self.kind} model is of 1 to {_MOST} trials, not {max_trials}")
        self._max_trials = max_trials
        self._length_scale = length_scale
        self._state: _State | None = None
        self._process: Any = None

    @classmethod
    @override
    def make(cls, hyper_parameters: HyperParameters, compute: Compute = ALONE) -> Self:
        try:
            return cls(**hyper_parameters)  # type: ignore[arg-type]
        except TypeError as error:
            raise UsageError(f"a {cls.kind} model has not all of the hyper-parameters {[*hyper_parameters]}") from error

    @classmethod
    @override
    def search_space(cls, dataset: Dataset) -> dict[str, Range]:
        return {"length_scale": Range(0.1, 10.0, is_log=True)}

    @property
    @override
    def hyper_parameters(self) -> dict[str, float | int | str]:
        return {"max_trials": self._max_trials, "length_scale": self._length_scale}

    @override
    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        held_out = self.held_out(dataset, seed=seed)
        self._learn(dataset, seed)
        return held_out

    @override
    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        if len(dataset) < 2:
            raise ValueError(f"a cost model needs at least two trials, got {len(dataset)}")
        fold = fold_numbers(dataset.workloads, _FOLDS, seed=seed)
        mean, std = np.empty(len(dataset)), np.empty(len(dataset))
        for number in sorted(set(fold.tolist())):
            fold_model = type(self)(max_trials=self._max_trials, length_scale=self._length_scale)
            fold_model._learn(dataset.rows(fold != number), seed)
            predicted = fold_model.predict(dataset.features[fold == number])
            mean[fold == number], std[fold == number] = predicted.mean, predicted.std
        return Prediction(mean, std)

    @override
    def updated(self, dataset: Dataset, *, seed: int) -> Self:
        # The trials join those that are known, some of which go for them.
        state = self._fitted(dataset.features)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(dataset))[: self._max_trials]
        rows = (dataset.features[chosen] - np.asarray(state.centre)) / np.asarray(state.scale)
        kept = rng.permutation(len(state.rows))[: max(0, self._max_trials - len(chosen))]
        other = type(self)(max_trials=self._max_trials, length_scale=self._length_scale)
        other._set(
            msgspec.structs.replace(
                state,
                rows=[*rows.tolist(), *(state.rows[place] for place in kept)],
                costs=[*_costs(dataset)[chosen].tolist(), *(state.costs[place] for place in kept)],
            )
        )
        return other

    @override
    def predict(self, features: NDArray[np.float64]) -> Prediction:
        state = self._fitted(features)
        if not len(features):
            return Prediction(np.empty(0), np.empty(0))
        standard = (features - np.asarray(state.centre)) / np.asarray(state.scale)
        mean, std = self._process.predict(standard, return_std=True)
        return Prediction(np.asarray(mean + np.mean(state.costs)), np.sqrt(std**2 + _NOISE))

    @override
    def save(self) -> dict[str, bytes]:
        return {} if self._state is None else {_FILE: msgspec.json.encode(self._state)}

    @classmethod
    @override
    def load(cls, files: Mapping[str, bytes]) -> Self:
        with reading(_FILE):
            state = msgspec.json.decode(files[_FILE], type=_State)
            _check(state)
            model = cls(max_trials=state.max_trials, length_scale=state.length_scale)
            model._set(state)
        return model

    def _learn(self, dataset: Dataset, seed: int) -> None:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(dataset))[: self._max_trials])
        features = dataset.features[chosen]
        spread = features.std(axis=0)
        varying = max(int((spread > 0).sum()), 1)
        scale = np.where(spread > 0, spread, 1.0) * np.sqrt(varying)
        centre = features.mean(axis=0)
        rows = ((features - centre) / scale).tolist()
        costs = _costs(dataset)[chosen].tolist()
        self._set(_State(self._max_trials, self._length_scale, centre.tolist(), scale.tolist(), rows, costs))

    def _set(self, state: _State) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern

        costs = np.asarray(state.costs)
        kernel = max(float(costs.var()), 0.01) * Matern(length_scale=state.length_scale, nu=2.5)
        process = GaussianProcessRegressor(kernel, alpha=_NOISE, optimizer=None)
        self._process = process.fit(np.asarray(state.rows), costs - costs.mean())
        self._state = state

    def _fitted(self, features: NDArray[np.float64]) -> _State:
        if self._state is None:
            raise ModelError(f"the {self.kind} model is not fitted")
        width = len(self._state.centre)
        if features.ndim != 2 or features.shape[1] != width:
            raise ModelError(f"the model wants features [n, {width}], got {list(features.shape)}")
        return self._state


def _check(state: _State) -> None:
    """Looks at what was read before scikit-learn does.

    Raises:
        ValueError: counts disagree, figures are none, or fitting to so many trials would take minutes.
    """
    width, number = len(state.centre), len(state.rows)
    if not number or len(state.costs) != number or len(state.scale) != width:
        raise ValueError("it is not whole")
    if not 0 < number <= state.max_trials <= _MOST:
        raise ValueError(f"{number} trials of at most {state.max_trials}, where a model has at most {_MOST}")
    if any(len(row) != width for row in state.rows):
        raise ValueError("rows of several lengths")
    for row in (state.centre, state.costs, *state.rows):
        check_bounded(row, "it")
    check_positive([*state.scale, state.length_scale], "scale")


def _costs(dataset: Dataset) -> NDArray[np.float64]:
    return np.minimum(dataset.log_costs, _LARGEST)
