"""Features computed ahead of training, target by target: how many, how quickly, and why some trials have none."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from costmodels.compute import ALONE, Compute
from costmodels.features import FAMILIES, Needs
from costmodels.kinds import of_kind
from costmodels.pools import features_of
from tunedb.errors import UsageError
from tunedb.records import Outcome, Target
from tunedb.store.contract import Store


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What was done for one target and one family."""

    target: Target
    family: str
    version: str
    num_trials: int
    num_cached: int
    num_computed: int
    causes: dict[str, int]  # trials without features, by cause
    secs: float
    workers: int  # that computed at the same time

    @property
    def per_second(self) -> float | None:
        """Trials featurised in a second by one worker; None when nothing was to be done."""
        return self.num_computed / self.secs / self.workers if self.num_computed else None


def compute_features(
    store: Store,
    targets: Sequence[Target],
    families: Sequence[str] = (),
    *,
    compute: Compute = ALONE,
    on_progress: Callable[[Target, str, int, int], None] | None = None,
) -> Iterator[FeatureReport]:
    """Computes features of all good trials that have none yet, and keeps them among the store's files.

    Args:
        store: the store that has the trials.
        targets: the targets whose trials are looked at.
        families: of `costmodels.features.FAMILIES`; none for what models of the target's kind learn from.
        compute: where features are computed; its own progress is not called.
        on_progress: called with target, family, trials featurised and trials in all.

    Yields:
        A report for each target and family, when it is done.

    Raises:
        UsageError: there is no such family.
    """
    for name in families:
        if name not in FAMILIES:
            raise UsageError(f"no features {name!r}: there are {', '.join(FAMILIES)}")
    tell = on_progress or (lambda *_: None)
    for target in targets:
        trials = list(store.trials(target_id=target.target_id, outcome=Outcome.OK))
        default = next(name for name, family in FAMILIES.items() if family is of_kind(target.kind).features)
        for name in families or (default,):
            family = FAMILIES[name]
            counting = dataclasses.replace(
                compute,
                on_progress=lambda done, total, target=target, name=name: tell(target, name, done, total),  # type: ignore[misc]
            )
            started = time.perf_counter()
            found = features_of(store, target, trials, family, compute=counting)
            yield FeatureReport(
                target,
                name,
                family.FEATURE_VERSION,
                len(trials),
                found.num_cached,
                len(found.rows) - found.num_cached,
                dict(Counter(found.causes.values()).most_common()),
                time.perf_counter() - started,
                1 if family.NEEDS is Needs.TRACE else compute.workers,
            )
