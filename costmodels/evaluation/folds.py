"""What models learn from and what they are judged by: pools of workloads, operators, targets or networks left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodels.dataset import Pool, fold_numbers
from costmodels.evaluation.networks import Calls, left_out
from tunedb.errors import UsageError

SPLITS = ("leave-one-workload-out", "leave-operator-family-out", "leave-target-out")
NETWORKS = "leave-network-out"  # needs to be told what the networks are; a figure is of a network, not of a workload
SHOTS = {"8-shot": 8, "32-shot": 32, "128-shot": 128}  # leave-target-out with so many trials of the target after all
_TARGET_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """Pools to learn from, and pools to be judged by."""

    train: list[Pool]
    test: list[Pool]
    few: tuple[Pool, ...] = ()  # what is known of a new target
    networks: Mapping[str, Sequence[Pool]] | None = None  # whose pools are judged by, where networks are left out


def folds(
    split: str,
    pools: Sequence[Pool],
    target_id: str,
    *,
    pooled: bool = True,
    seed: int = 0,
    calls: Calls | None = None,
) -> Iterator[Fold]:
    """The folds of a split, for one target to be tested on. A workload never stands on both sides.

    Args:
        split: one of `SPLITS`.
        pools: of all targets; none is tested on that is background.
        target_id: the one to be tested on.
        pooled: whether other targets' pools are learned from too; leave-target-out has nothing else.
        seed: of the folds that leave-target-out is tested in, so that its workloads are unseen as well.
        calls: how often networks call workloads, for leave-network-out.

    Raises:
        UsageError: there is no such split, or it needs to be told what the networks are.
    """
    if split == NETWORKS:
        if calls is None:
            raise UsageError(f"{split} needs to know which workloads are a network's: --networks FILE")
        for train, of_networks in left_out(pools, target_id, calls, pooled=pooled, seed=seed):
            once = {id(pool): pool for its in of_networks.values() for pool in its}  # some are of several networks
            yield Fold(train, list(once.values()), networks=of_networks)
        return
    own = [pool for pool in pools if pool.target_id == target_id]
    others = [pool for pool in pools if pool.target_id != target_id]
    known = others + own if pooled else own
    own = [pool for pool in own if not pool.is_background]
    if split == "leave-one-workload-out":
        for workload_id in sorted({pool.workload_id for pool in own}):
            test = [pool for pool in own if pool.workload_id == workload_id]
            yield Fold([pool for pool in known if pool.workload_id != workload_id], test)
    elif split == "leave-operator-family-out":
        for family in sorted({pool.family for pool in own}):
            test = [pool for pool in own if pool.family == family]
            yield Fold([pool for pool in known if pool.family != family], test)
    elif split == "leave-target-out":
        workload_ids = sorted({pool.workload_id for pool in own})
        fold = fold_numbers(np.arange(len(workload_ids)), _TARGET_FOLDS, seed=seed)
        for number in sorted(set(fold.tolist())):
            unseen = {workload_id for workload_id, its in zip(workload_ids, fold, strict=True) if its == number}
            test = [pool for pool in own if pool.workload_id in unseen]
            yield Fold([pool for pool in others if pool.workload_id not in unseen], test)
    elif split in SHOTS:
        rng = np.random.default_rng(seed)
        for fold_ in folds("leave-target-out", pools, target_id, seed=seed):
            unseen = {pool.workload_id for pool in fold_.test}
            rest = [pool for pool in own if pool.workload_id not in unseen]
            yield Fold(fold_.train, fold_.test, tuple(some_trials(rest, SHOTS[split], rng)))
    else:
        raise UsageError(f"no split {split!r}: there are {', '.join((*SPLITS, NETWORKS, *SHOTS))}")


def some_trials(pools: Sequence[Pool], number: int, rng: np.random.Generator) -> Iterator[Pool]:
    """So many trials of some pools, drawn from all of them."""
    every = [(place, trial_id) for place, pool in enumerate(pools) for trial_id in pool.trial_ids]
    drawn = {every[index] for index in rng.permutation(len(every))[:number]}
    for place, pool in enumerate(pools):
        others = {trial_id for trial_id in pool.trial_ids if (place, trial_id) not in drawn}
        part = pool.without(others)
        if len(part):
            yield part


def work_of(
    pools: Sequence[Pool],
    splits: Sequence[str],
    *,
    target_ids: Sequence[str] | None = None,
    pooled: bool = True,
    seed: int = 0,
    calls: Calls | None = None,
) -> list[tuple[str, str, Fold]]:
    """What `evaluate` goes through for each model: split, target to be tested on, and fold.

    Args:
        pools: as `evaluate` takes them, as are the others.
        splits: some of `SPLITS` and `SHOTS`.
        target_ids: targets to be tested on; all of the pools' by default.
        pooled: whether other targets' pools are learned from too.
        seed: of folds.
        calls: how often networks call workloads, for leave-network-out.

    Raises:
        UsageError: there is no such split, or it needs to be told what the networks are.
    """
    tested = sorted({pool.target_id for pool in pools} if target_ids is None else set(target_ids))
    return [
        (split, target_id, fold)
        for split in splits
        for target_id in tested
        for fold in folds(split, pools, target_id, pooled=pooled, seed=seed, calls=calls)
        if fold.train and fold.test
    ]
