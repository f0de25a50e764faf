"""What is believed about candidates not yet measured: a prior mean and a posterior on this run's measurements.

    y(x) = p(m(x)) + g(x) + noise        all in nats of log latency

`m` is the cost model's prediction; `p` a line with a knee (`PriorMean`), whose slopes are fitted by ridge regression
that pulls them to 1, so that a prior which misleads loses its weight as measurements come in; `g` is a Gaussian process
(Matern 5/2) on standardised features. Rasmussen and Williams, "Gaussian Processes for Machine Learning", chapters 2
and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodels.kinds import of_kind
from costmodels.metrics import spearman
from costmodels.model import CostModel
from search.bo.feasibility import log_feasibility
from search.bo.gaussian_process import GaussianProcess, Standardisation
from search.contract import Trust

FloatArray = npt.NDArray[np.float64]

_COLD_STD = 1.0  # nats: how far anything is from anything else, where no cost model tells them apart
_LENGTH_SCALE = 1.0  # in standardised distance
_NOISE_STD = 0.1  # nats: one measurement on a shared machine is 3 to 16% off
_TARGET_STD = 0.3  # nats: by which a schedule's rank on another CPU misses its rank here
_FEWEST_OF_TARGET = 4
_FINE = 0.5  # nats: within so much of the best prediction, which is right is anybody's guess
_FINE_RIDGE = 4.0  # as if so many earlier measurements had spoken for a slope of 1
_WEIGHT_STD = 0.5  # by which the weight of a prior may be expected to miss 1, and that of a second opinion 0


@dataclass(frozen=True, slots=True)
class Posterior:
    """Joint belief over n candidates: mean [n] of log latency in nats, covariance [n, n]."""

    mean: FloatArray
    covariance: FloatArray

    @property
    def std(self) -> FloatArray:
        """Marginal standard deviations [n], nats."""
        return np.sqrt(np.clip(np.diag(self.covariance), 0.0, None))


def prior_weight(prior: FloatArray, log_secs: FloatArray, std: float = CostModel.error_std) -> tuple[float, float]:
    """Offset `a` and weight `w` of the prior mean that fit the measurements, `w` held to [0, 1.5].

    Bayesian linear regression with w ~ N(1, 0.5^2) and the prior's own error as noise. A batch of candidates that are
    all predicted to be about equally good says little about the slope, whatever their order: measurements count by how
    far their predictions are apart.

    Args:
        prior: Predictions [n] of the cost model, nats.
        log_secs: Measured log latencies [n].
        std: The deviation of the prior's own error, nats.

    Returns:
        Offset and weight.
    """
    centred = prior - prior.mean()
    ridge = (std / _WEIGHT_STD) ** 2
    slope = (float((centred * (log_secs - log_secs.mean())).sum()) + ridge) / (float((centred**2).sum()) + ridge)
    weight = float(np.clip(slope, 0.0, 1.5))
    return float(log_secs.mean() - weight * prior.mean()), weight


@dataclass(frozen=True, slots=True)
class PriorMean:
    """What is made of a cost model's predictions: a line with a knee, `offset + fine * min(m, knee) + coarse * rest`.

    Below the knee all is predicted to be about equally good. What tells such candidates apart is mostly the model's
    error, so that a batch or two may take that slope away. What is predicted to be bad is bad all the same: of it the
    run measures little, and learns the other slope only from what it does measure.

    To that is added `second * o`, where `o` is a second opinion that has learned nothing and so cannot have learned
    what is wrong here: its slope is 0 until measurements ask for more.
    """

    offset: float = 0.0
    fine: float = 1.0
    coarse: float = 1.0
    knee: float = 0.0
    second: float = 0.0

    @classmethod
    def of(
        cls,
        prior: FloatArray,
        log_secs: FloatArray,
        std: float = CostModel.error_std,
        opinion: FloatArray | None = None,
    ) -> PriorMean:
        """Ridge regression of log latencies [n] on predictions [n], `std` nats off, that pulls their slopes to 1."""
        knee = float(prior.min()) + _FINE
        other = np.zeros_like(prior) if opinion is None else opinion
        parts = np.stack([np.minimum(prior, knee), np.maximum(prior - knee, 0.0), other], axis=1)  # [n, 3]
        centred, wanted = parts - parts.mean(axis=0), log_secs - log_secs.mean()
        ridge = (std / _WEIGHT_STD) ** 2
        pull = np.diag([_FINE_RIDGE * max(float(centred[:, 0].var()), 1e-12), ridge, ridge])
        slopes = np.linalg.solve(centred.T @ centred + pull, centred.T @ wanted + pull @ [1.0, 1.0, 0.0])
        fine, coarse, second = (float(slope) for slope in np.clip(slopes, 0.0, 1.5))
        offset = float(log_secs.mean() - parts.mean(axis=0) @ [fine, coarse, second])
        return cls(offset, fine, coarse, knee, second)

    def __call__(self, prior: FloatArray, opinion: FloatArray | None = None) -> FloatArray:
        """The mean [n] of log latency for predictions [n]."""
        below, above = np.minimum(prior, self.knee), np.maximum(prior - self.knee, 0.0)
        mean = self.offset + self.fine * below + self.coarse * above
        return np.asarray(mean if opinion is None else mean + self.second * opinion, dtype=np.float64)


class Surrogate:
    """The posterior of one tuning run, conditioned by `observe`.

    Features are standardised by the first candidates asked about, so that one call compares with the next. The
    kernel's parameters are fixed: a batch or two of measurements cannot tell them, and fitting them to so few was
    worse on recorded pools than any constant that was tried.

    Args:
        has_prior: Whether prior means come from a cost model.
        prior_std: By how many nats its predictions are off before anything was measured.
        opinion: A cost model that has learned nothing, and so nothing that is wrong here. Measurements may ask for a
            share of it, and once the prior misleads it stands in the prior's place. None is none.
    """

    noise = _NOISE_STD**2

    def __init__(
        self,
        *,
        has_prior: bool,
        prior_std: float = CostModel.error_std,
        opinion: CostModel | None = None,
    ) -> None:
        self._has_prior = has_prior
        self._opinion = opinion
        self._is_misled = False
        self._prior_std = prior_std
        self._standard: Standardisation | None = None
        self._features: list[FloatArray] = []
        self._prior: FloatArray = np.empty(0)
        self._log_secs: FloatArray = np.empty(0)
        self._other_targets: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        self._failed: list[FloatArray] = []
        self._process: GaussianProcess | None = None
        self._mean = PriorMean()

    @property
    def num_measured(self) -> int:
        """Measurements observed so far."""
        return len(self._log_secs)

    @property
    def trust(self) -> Trust | None:
        """What this run's measurements say of the prior; None where there is no prior or no measurement."""
        if not self._has_prior or not self.num_measured:
            return None
        _, weight = prior_weight(self._prior, self._log_secs, self._prior_std)
        stand_in = "" if self._opinion is None else self._opinion.kind
        return Trust(self.num_measured, spearman(-self._log_secs, self._prior), weight, stand_in)

    def observe(self, features: FloatArray, prior: FloatArray, run_secs: FloatArray) -> None:
        """Adds measurements: features [n, d], prior means [n] in nats, latencies [n] in seconds."""
        if len(run_secs) == 0:
            return
        self._features.append(features)
        self._prior = np.concatenate([self._prior, prior])
        self._log_secs = np.concatenate([self._log_secs, np.log(run_secs)])
        self._process = None

    def observe_other_target(self, features: FloatArray, prior: FloatArray, run_secs: FloatArray) -> None:
        """Adds what another target measured of the same workload, as `observe` takes it.

        It tells which candidates are fast, not how fast they are here: a constant is taken out, and the deviation of
        each is that of targets from one another.
        """
        if len(run_secs) >= _FEWEST_OF_TARGET:
            self._other_targets.append((features, prior, np.log(run_secs)))
            self._process = None

    def observe_failures(self, features: FloatArray) -> None:
        """Adds candidates with features [n, d] that did not build or run."""
        self._failed.extend(features)

    def log_feasibility(self, features: FloatArray) -> FloatArray:
        """Log probability [n] that candidates with features [n, d] build and run."""
        if not self._failed:
            return np.zeros(len(features))
        tried = self.standardised(np.vstack([*self._features, *(row[None, :] for row in self._failed)]))
        worked = np.arange(len(tried)) < len(tried) - len(self._failed)
        return log_feasibility(self.standardised(features), tried, worked)

    def posterior(self, features: FloatArray, prior: FloatArray) -> Posterior:
        """The joint posterior of candidates with features [n, d] and prior means [n] in nats."""
        mean, covariance = self._fitted(features).joint(self.standardised(features))
        return Posterior(mean + self._mean_of(features, prior), covariance)

    def marginals(self, features: FloatArray, prior: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Posterior means [n] and standard deviations [n] in nats; cheaper than the joint posterior."""
        mean, std = self._fitted(features).marginals(self.standardised(features))
        return mean + self._mean_of(features, prior), std

    def _mean_of(self, features: FloatArray, prior: FloatArray) -> FloatArray:
        return self._mean(*self._views(features, prior))

    def _views(self, features: FloatArray, prior: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """The prior, or what stands in its place, and what may be added to it."""
        if self._opinion is None:
            return prior, None
        opinion = self._opinion.predict(features).mean
        return (opinion, None) if self._is_misled else (prior, opinion)

    def standardised(self, features: FloatArray) -> FloatArray:
        """Features [n, d] as the process sees them: typical candidates are 1 to 2 apart."""
        if self._standard is None:
            self._standard = Standardisation.of(features)
        return self._standard.apply(features)

    def _fitted(self, features: FloatArray) -> GaussianProcess:
        if self._process is not None:
            return self._process
        self.standardised(features)  # the candidates asked about come first, when nothing was measured yet
        trust = self.trust
        std = self._prior_std if self._has_prior else _COLD_STD
        if self._opinion is not None and trust is not None and trust.is_misleading:
            self._is_misled, std = True, self._opinion.error_std
        else:
            self._is_misled = False
        residuals, noise = [], []
        if self.num_measured:
            prior, opinion = self._views(np.vstack(self._features), self._prior)
            self._mean = (
                PriorMean.of(prior, self._log_secs, std, opinion)
                if self._has_prior
                else PriorMean(float(self._log_secs.mean()), 0.0, 0.0)
            )
            residuals.append(self._log_secs - self._mean(prior, opinion))
            noise.append(np.full(self.num_measured, self.noise))
        for features_there, prior, log_secs in self._other_targets:
            apart = log_secs - self._mean_of(features_there, prior)
            residuals.append(apart - apart.mean())
            noise.append(np.full(len(apart), _TARGET_STD**2))
        process = GaussianProcess(variance=std**2, length_scale=_LENGTH_SCALE, nu=2.5)
        observed = [*self._features, *(features for features, _, _ in self._other_targets)]
        if observed:
            process.fit(self.standardised(np.vstack(observed)), np.concatenate(residuals), np.concatenate(noise))
        self._process = process
        return process


def unlearned(target_kind: str) -> CostModel | None:
    """A cost model of what is known of a kind of target in general; None where there is none."""
    untrained = of_kind(target_kind).untrained
    return None if untrained is None else untrained.make({})


def surrogate_of(model: CostModel | None, target_kind: str, prior_std: float | None = None) -> Surrogate:
    """What is believed before a run, with a cost model's predictions as prior means or without any.

    Args:
        model: The cost model; None is none.
        target_kind: The kind of target.
        prior_std: The deviation of the model's error, in nats; None is what the model itself states.
    """
    if model is None:
        return Surrogate(has_prior=False)
    untrained = unlearned(target_kind)
    opinion = None if type(model) is type(untrained) else untrained
    return Surrogate(has_prior=True, prior_std=prior_std or model.error_std, opinion=opinion)
