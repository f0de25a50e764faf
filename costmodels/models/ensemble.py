"""Ensembles of regressors on the square root of the score, which know what they do not know.

Held-out fold models are trained without one k-th of the workloads each; what they get wrong on the workloads that they
did not see is the error to expect. Members predict, by their mean; how far they disagree adds to the error. Where
training draws rows and columns at random, members have seen all workloads, each with other draws: what was held out
from a fold model is missed when a similar workload is asked about. Where it draws nothing, the fold models are the
members.

    score      best latency of the workload / latency, in (0, 1]
    f_j(x)     member j's estimate of sqrt(score)
    c_j(x)     c(f_j(x)),   c(f) = -2 log(max(f, floor)): monotone, nats; a family may mix in what else its members know
    mean(x)    mean over j of c_j(x)
    std(x)     sqrt(var over j of c_j(x) + residual(mean over j of c(f_j(x)))^2)
    residual   deviation of log cost from the held-out prediction, after taking out a constant per workload; it is
               half as large where candidates look good as where they look bad, so that it is measured in bands of
               c(f) and interpolated between their middles
"""

from __future__ import annotations

import copy
import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec
import numpy as np
from typing_extensions import override

from costmodels.compute import ALONE, Compute
from costmodels.dataset import Dataset, fold_numbers
from costmodels.model import CostModel, HyperParameters, Prediction
from costmodels.models.files import check_bounded, check_positive, reading
from tunedb.errors import ModelError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATE_FILE = "ensemble.json"
_BANDS = 6
_SMALLEST_STD = 0.01  # nats; below the noise of any measurement
_FLOOR = 0.02  # of sqrt(score): 2,500 times slower than the best; all beyond is equally hopeless


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs to the ensemble as a whole."""

    members: int
    num_features: int
    residual_means: list[float]  # [b] middles of the bands of predicted log cost, rising, nats
    residual_stds: list[float]  # [b] deviation in each
    hyper_parameters: dict[str, float | int | str]


class Ensemble(CostModel):
    """What families have in common that are trained member by member and saved as text.

    Args:
        hyper_parameters: what distinguishes two models of a family.
        members: size of the ensemble, two or more.
        judges: where training draws, how many held-out fold models there are, two or more; as many as members when not
            given. No more are fitted than there are workloads.
        compute: its workers are the members that are fitted at a time, one thread each. (LightGBM's own threads wait
            for one another in a busy loop: on a machine with other work they make it slower, not faster.)
    """

    draws: ClassVar[bool] = False
    """Whether `train_member` gives another regressor for another seed."""

    def __init__(
        self,
        hyper_parameters: dict[str, float | int | str],
        *,
        members: int,
        judges: int | None = None,
        compute: Compute = ALONE,
    ) -> None:
        judges = members if judges is None else judges
        if min(members, judges) < 2:
            raise ValueError(
                f"an ensemble has at least two members and two fold models, not {members} and {judges}: its error is "
                "what they get wrong that did not see it"
            )
        self._hyper_parameters = hyper_parameters
        self._size = members
        self._num_folds = judges
        self._compute = compute
        self._members: list[Any] = []
        self._num_features = 0
        self._residual_means = np.zeros(1)
        self._residual_stds = np.zeros(1)

    @abstractmethod
    def train_member(self, dataset: Dataset, seed: int) -> Any:
        """A regressor from features to sqrt(score); the same arguments give the same one."""

    @abstractmethod
    def train_more(self, member: Any, dataset: Dataset, seed: int) -> Any:
        """A member that has learned from more trials; the one given is not changed."""

    @abstractmethod
    def ask_member(self, member: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """A member's estimate [n] of sqrt(score)."""

    def costs_by(self, member: Any, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a member predicts for n candidates: c_j, and c(f_j), both [n] in nats."""
        relative = log_cost(self.ask_member(member, features))
        return relative, relative

    @abstractmethod
    def write_member(self, member: Any, number: int) -> dict[str, bytes]:
        """A member's files, by name."""

    @abstractmethod
    def read_member(self, files: Mapping[str, bytes], number: int) -> tuple[Any, int]:
        """Reads a member that was written.

        Returns:
            The member, and how many features it wants.

        Raises:
            ModelError: a file is missing, or is not what was written.
            ValueError: the files do not belong together.
        """

    @classmethod
    @override
    def make(cls, hyper_parameters: HyperParameters, compute: Compute = ALONE) -> Self:
        try:
            return cls(**hyper_parameters, compute=compute)  # type: ignore[arg-type]
        except TypeError as error:
            raise UsageError(f"a {cls.kind} model has not all of the hyper-parameters {[*hyper_parameters]}") from error

    @property
    @override
    def hyper_parameters(self) -> dict[str, float | int | str]:
        return {**self._hyper_parameters, "members": self._size}

    @override
    def fit(self, dataset: Dataset, *, seed: int) -> Prediction:
        fold = self._folds(dataset, seed)
        number = int(fold.max()) + 1
        fitted = self._train(dataset, fold, number + (self._size if self.draws else 0), seed)
        self._members = fitted[-self._size :] if self.draws else fitted
        self._num_features = dataset.features.shape[1]
        held_out, relative, self._residual_means, self._residual_stds = self._judge(dataset, fold, fitted[:number])
        return Prediction(held_out, self._residual(relative))

    @override
    def held_out(self, dataset: Dataset, *, seed: int) -> Prediction:
        fold = self._folds(dataset, seed)
        held_out, relative, means, stds = self._judge(
            dataset, fold, self._train(dataset, fold, int(fold.max()) + 1, seed)
        )
        return Prediction(held_out, np.interp(relative, means, stds))

    @override
    def updated(self, dataset: Dataset, *, seed: int) -> Self:
        # Deviations stay what they were.
        self._check(dataset.features)
        other = copy.copy(self)
        if len(dataset):
            other._members = [
                self.train_more(member, dataset, seed * 1000 + j) for j, member in enumerate(self._members)
            ]
        return other

    @override
    def predict(self, features: NDArray[np.float64]) -> Prediction:
        self._check(features)
        if len(features) == 0:
            return Prediction(np.empty(0), np.empty(0))
        predicted = [self.costs_by(member, features) for member in self._members]
        costs = np.stack([cost for cost, _ in predicted])
        residual = self._residual(np.mean([relative for _, relative in predicted], axis=0))
        return Prediction(costs.mean(axis=0), np.sqrt(costs.var(axis=0) + residual**2))

    @override
    def save(self) -> dict[str, bytes]:
        state = _State(
            len(self._members),
            self._num_features,
            self._residual_means.tolist(),
            self._residual_stds.tolist(),
            self._hyper_parameters,
        )
        files = {_STATE_FILE: msgspec.json.format(msgspec.json.encode(state)) + b"\n"}
        for number, member in enumerate(self._members):
            files |= self.write_member(member, number)
        return files

    @classmethod
    @override
    def load(cls, files: Mapping[str, bytes]) -> Self:
        with reading(_STATE_FILE):
            state = msgspec.json.decode(files[_STATE_FILE], type=_State)
            _check(state, cls.kind, cls.make({}).hyper_parameters)
            model = cls(**state.hyper_parameters, members=state.members)  # type: ignore[arg-type]
            read = [model.read_member(files, number) for number in range(state.members)]
            if any(wanted != state.num_features for _, wanted in read):
                raise ValueError("it does not describe the members that lie next to it")
        model._members = [member for member, _ in read]
        model._num_features = state.num_features
        model._residual_means = np.asarray(state.residual_means)
        model._residual_stds = np.asarray(state.residual_stds)
        return model

    def _folds(self, dataset: Dataset, seed: int) -> NDArray[np.int64]:
        """The fold [n] of each row, from which one fold model is kept."""
        if len(dataset) < 2:
            raise ValueError(f"a cost model needs at least two trials, got {len(dataset)}")
        return fold_numbers(dataset.workloads, self._num_folds, seed=seed)

    def _train(self, dataset: Dataset, fold: NDArray[np.int64], number: int, seed: int) -> list[Any]:
        """So many regressors: one for each fold, without its rows, and then of all rows."""
        folds = int(fold.max()) + 1

        def fit_member(j: int) -> Any:
            return self.train_member(dataset.rows(fold != j) if j < folds else dataset, seed * 1000 + j)

        with ThreadPoolExecutor(max_workers=max(1, self._compute.workers)) as executor:
            return list(executor.map(fit_member, range(number)))

    def _judge(
        self, dataset: Dataset, fold: NDArray[np.int64], fold_models: list[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """c_j and c(f_j) [n] of each row by the model that did not see it; means and deviations [b] of error bands."""
        held_out, relative = np.empty(len(dataset)), np.empty(len(dataset))
        for j, model in enumerate(fold_models):
            held_out[fold == j], relative[fold == j] = self.costs_by(model, dataset.features[fold == j])
        errors = _centred(dataset.log_costs - held_out, dataset.groups)
        return held_out, relative, *_deviation_by_band(relative, errors)

    def _check(self, features: NDArray[np.float64]) -> None:
        if not self._members:
            raise ModelError(f"the {self.kind} model is not fitted")
        if features.ndim != 2 or features.shape[1] != self._num_features:
            raise ModelError(f"the model wants features [n, {self._num_features}], got {list(features.shape)}")

    def _residual(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Deviation [n] that is left when all members agree that c(f) is `mean` [n]."""
        return np.asarray(np.interp(mean, self._residual_means, self._residual_stds), dtype=np.float64)


def _check(state: _State, kind: str, usual: HyperParameters) -> None:
    """Looks at what was read of an ensemble as a whole.

    Args:
        state: what was read.
        kind: the family.
        usual: its usual hyper-parameters.

    Raises:
        ValueError: figures are none, or bands of errors are not as `_deviation_by_band` gives them.
    """
    if state.residual_means != sorted(state.residual_means) or not state.residual_means:
        raise ValueError("residual_means do not rise")
    if len(state.residual_means) != len(state.residual_stds):
        raise ValueError("residual_means and residual_stds are of several lengths")
    check_bounded(state.residual_means, "residual_means")
    check_positive(state.residual_stds, "residual_stds")
    for name, value in state.hyper_parameters.items():
        if name not in usual or isinstance(value, str) or (isinstance(value, float) and isinstance(usual[name], int)):
            raise ValueError(f"hyper_parameters: {name} is {value!r}, as it is in no {kind} model")
        check_bounded([value], "hyper_parameters")


def one_at_a_time(compute: Compute) -> Compute:
    """For families whose trees a cluster grows: it is given one member after the other."""
    return compute if compute.cluster is None else dataclasses.replace(compute, workers=1)


def log_cost(root_score: NDArray[np.float64]) -> NDArray[np.float64]:
    """From sqrt(score) to log cost in nats; falling in its argument."""
    return np.asarray(-2.0 * np.log(np.maximum(root_score, _FLOOR)), dtype=np.float64)


def _centred(residuals: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """The residuals [n] less the mean of their group: a constant per workload is nobody's error."""
    means = np.bincount(groups, weights=residuals) / np.maximum(np.bincount(groups), 1)
    return np.asarray(residuals - means[groups], dtype=np.float64)


def _deviation_by_band(
    predicted: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean prediction and root mean square error, [b] each, of up to six bands of n predictions of equal number."""
    order = np.argsort(predicted, kind="stable")
    bands = np.array_split(order, max(1, min(_BANDS, len(order) // 20)))
    middles = np.asarray([predicted[band].mean() for band in bands])
    deviations = np.asarray([np.sqrt(np.mean(errors[band] ** 2)) for band in bands])
    return middles, np.maximum(deviations, _SMALLEST_STD)
