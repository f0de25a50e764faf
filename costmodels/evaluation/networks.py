"""The split that users care about: a model has seen other networks, and ranks the candidates of one that it has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from costmodels.dataset import Pool, fold_numbers
from tunedb.errors import BadInputError, NotFoundError

Calls = Mapping[str, Mapping[str, float]]
"""How often each network calls each workload, by their ids."""

_FOLDS = 6  # networks are left out by sixths: a fit for each would take an hour


class _File(msgspec.Struct, frozen=True):
    """What of a file is read: `tunedb collect --dry-run --json` gives such documents."""

    networks: dict[str, dict[str, float]]


def read_networks(path: str | Path) -> Calls:
    """Reads how often networks call workloads.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It says nothing of networks.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file; 'tunedb collect SPEC --dry-run --json' writes such documents")
    try:
        return msgspec.json.decode(file.read_bytes(), type=_File).networks
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{file}: not a document that names networks: {error}") from error


def left_out(
    pools: Sequence[Pool], target_id: str, calls: Calls, *, pooled: bool = True, seed: int = 0
) -> Iterator[tuple[list[Pool], dict[str, list[Pool]]]]:
    """What to learn from and, by network, what to be judged by: no workload of a network that is left out is learned.

    Args:
        pools: Of all targets; none is tested on that is background.
        target_id: The one to be tested on.
        calls: Which workloads are a network's.
        pooled: Whether other targets' pools are learned from too.
        seed: Of the folds.

    Yields:
        Pools to learn from, and those of each network that is left out.
    """
    own = [pool for pool in pools if pool.target_id == target_id and not pool.is_background]
    known = pools if pooled else [pool for pool in pools if pool.target_id == target_id]
    here = {name: [pool for pool in own if pool.workload_id in calls[name]] for name in sorted(calls)}
    names = [name for name, its in here.items() if its]
    fold = fold_numbers(np.arange(len(names)), _FOLDS, seed=seed)
    for number in sorted(set(fold.tolist())):
        of_fold = [name for name, its in zip(names, fold, strict=True) if its == number]
        unseen = {workload_id for name in of_fold for workload_id in calls[name]}
        train = [pool for pool in known if pool.workload_id not in unseen]
        if train:
            yield train, {name: here[name] for name in of_fold}


def of_network(judged: Sequence[tuple[Pool, Mapping[str, float]]], calls: Mapping[str, float]) -> dict[str, float]:
    """The figures of a network: the mean of its workloads', weighted by their share of its time.

    Args:
        judged: Pools of its workloads with the figures of each; what is undefined for a pool is left out of it.
        calls: How often it calls each workload.
    """
    made = {}
    for metric in {name: None for _, values in judged for name in values}:
        rows = [
            (calls[pool.workload_id] * pool.best_secs, values[metric]) for pool, values in judged if metric in values
        ]
        weights, values_ = zip(*rows, strict=True)
        made[metric] = float(np.average(values_, weights=weights))
    return made
