"""Makes the bundled prior of logs: `python -m costmodels.build_prior data/ costmodels/shipped`.

The same logs and versions of libraries give the same bytes, whether or not the features of trials that the folder has
already are computed again.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import lzma
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from costmodels import metrics
from costmodels.compute import Compute
from costmodels.dataset import Pool, dataset_of, stacked
from costmodels.evaluation.networks import read_networks
from costmodels.extraction.cache import FeatureCache
from costmodels.features import FAMILIES
from costmodels.kinds import of_kind
from costmodels.models import make
from costmodels.pools import features_of, read_pools
from costmodels.registry.manifest import TrainedOn, packed
from costmodels.registry.saved import write_folder
from costmodels.shipped import CODE_VERSION_KEY, MODEL, POOL_COLUMNS, SCHEDULES, TRIALS, VERSION_KEY, Prior
from costmodels.training import SPLIT
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import anonymous_trial_id, hardware_named
from tunedb.metaschedule.replay import release
from tunedb.records import Target, Trace, WorkloadSummary
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_BEST_OF_EACH = 4  # schedules of a workload on a target
_COMPILED = ("x86-64-v3", "znver5")  # targets whose trials are compiled; the others would take an hour more
_COMPILED_OF_EACH = 100  # trials of a workload on such a target
_KIND = "llvm"  # of the targets that were measured
_FEATURES, _CODE = of_kind(_KIND).features, FAMILIES["machine_code"]
_MANTISSA_BITS = 12  # of a figure that ships: less than noise or a tree's threshold tells apart, and far smaller packed
_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)  # of every build: the time of day is no part of what was learned


def build(logs: Sequence[Path], out: Path, *, workers: int, anew: bool = False, without: Collection[str] = ()) -> None:
    """Ingests logs into a store of their own, and writes the prior that is made of it into a folder.

    Args:
        logs: Files and folders.
        out: The folder; the features of trials that it has, of the same version, are taken as they are.
        workers: Processes that compute features.
        anew: Whether those are computed again.
        without: Ids of workloads that nothing is learned of: a benchmark of unseen networks leaves these out.
    """
    with tempfile.TemporaryDirectory() as folder, open_store(folder, create=True) as store:
        report = ingest(store, logs, hardware=hardware_named("where the logs were measured"))
        _log.info("%s trials", report.added)
        names = {anonymous_trial_id(trial): trial.trial_id for trial in store.trials()}
        if not anew:
            _give_known(store, out, names)
        targets = {target.target_id: target for target in store.targets() if target.kind == _KIND}
        compute = Compute(workers)
        read = (pool for t in targets.values() for pool in read_pools(store, t, compute=compute).pools)
        pools = [pool for pool in read if pool.workload_id not in without]
        pools = _with_code(store, targets, [_as_written(pool) for pool in pools], names, compute)
        pools.sort(key=lambda pool: (pool.target_id, pool.workload_id, pool.trial_ids))
        workloads = {row.workload_id: row for row in store.workloads()}
        write_trials(pools, workloads, out / TRIALS)
        _write_schedules(store, pools, workloads, targets, out / SCHEDULES)
        _write_model(store, pools, out / MODEL, compute)


def _give_known(store: Store, folder: Path, names: Mapping[str, str]) -> None:
    """Gives a store the features that a prior's folder has of its trials, whose ids are named by those there."""
    pools = Prior(_FEATURES, _CODE, folder).pools
    rows = {trial_id: row for pool in pools for trial_id, row in zip(pool.trial_ids, pool.features, strict=True)}
    of_code = [(pool, pool.code) for pool in pools if pool.code is not None]
    compiled = {
        trial_id: row
        for pool, code in of_code
        for trial_id, row in zip(pool.trial_ids, code, strict=True)
        if not np.isnan(row[0])
    }
    for family, known in ((_FEATURES, rows), (_CODE, compiled)):
        of_store = {names[trial_id]: row for trial_id, row in known.items() if trial_id in names}
        FeatureCache(store.artifacts, release(), family).write(of_store, {})
        _log.info("%s trials have features already (%s)", len(of_store), family.FEATURE_VERSION)


def _as_written(pool: Pool) -> Pool:
    """A pool as it is when it was written and read again: what is learned from is what ships.

    Its trials have the ids that they have in a log which does not tell the machine, as in everybody else's store.
    """
    order = sorted(range(len(pool)), key=lambda place: pool.anonymous_ids[place])
    return dataclasses.replace(
        pool,
        trial_ids=tuple(pool.anonymous_ids[place] for place in order),
        anonymous_ids=(),
        features=_narrow(pool.features[order]),
        scores=_narrow(pool.scores[order]),
        code=None,
    )


def _narrow(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Figures as they ship: rounded to a few bits, within the range of 32-bit floats; what is narrow stays as it is."""
    mantissas, exponents = np.frexp(figures.astype(np.float32).astype(np.float64))
    rounded: NDArray[np.float64] = np.ldexp(
        np.round(np.ldexp(mantissas, _MANTISSA_BITS + 1)), exponents - _MANTISSA_BITS - 1
    )
    return rounded


def _with_code(
    store: Store, targets: Mapping[str, Target], pools: Sequence[Pool], names: Mapping[str, str], compute: Compute
) -> list[Pool]:
    """The pools with the machine code of some trials of each, drawn at random."""
    of_target: dict[str, set[str]] = {}
    for pool in pools:
        if targets[pool.target_id].arch in _COMPILED:
            drawn = np.random.default_rng(0).permutation(len(pool))[:_COMPILED_OF_EACH]
            of_target.setdefault(pool.target_id, set()).update(names[pool.trial_ids[place]] for place in drawn)
    rows: dict[str, NDArray[np.float64]] = {}
    for target_id, wanted in of_target.items():
        trials = [trial for trial in store.trials(target_id=target_id) if trial.trial_id in wanted]
        found = features_of(store, targets[target_id], trials, _CODE, compute=compute)
        _log.info("%s: %s trials compiled, %s not", targets[target_id].arch, len(found.rows), len(found.causes))
        rows.update((trial_id, _narrow(row)) for trial_id, row in found.rows.items())
    return [dataclasses.replace(pool, code=stacked([rows.get(names[i]) for i in pool.trial_ids])) for pool in pools]


def write_trials(pools: Sequence[Pool], workloads: Mapping[str, WorkloadSummary], path: Path) -> None:
    """Writes pools as Parquet, one column a feature."""
    import pyarrow
    import pyarrow.parquet as pq

    dataset = dataset_of(pools)
    of_pools = [(*_described(workloads[pool.workload_id]), pool.target_id, pool.best_secs) for pool in pools]
    rows = [row for row, pool in zip(of_pools, pools, strict=True) for _ in range(len(pool))]
    columns = {
        **dict(zip(POOL_COLUMNS, map(list, zip(*rows, strict=True)), strict=True)),
        "trial_id": list(dataset.trial_ids),
        "score": dataset.scores.astype(np.float32),
        **dict(zip(_FEATURES.names(), dataset.features.T.astype(np.float32), strict=True)),
    }
    versions = {VERSION_KEY: _FEATURES.FEATURE_VERSION.encode()}
    if dataset.code is not None:
        columns.update(zip(_CODE.names(), dataset.code.T.astype(np.float32), strict=True))
        versions[CODE_VERSION_KEY] = _CODE.FEATURE_VERSION.encode()
    table = pyarrow.table(columns).replace_schema_metadata(versions)
    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=1 << 20)


def _write_schedules(
    store: Store,
    pools: Sequence[Pool],
    workloads: Mapping[str, WorkloadSummary],
    targets: Mapping[str, Target],
    path: Path,
) -> None:
    """Writes the best schedules of each pool's workload and target as compressed JSON."""
    sizes = _sizes(pools)
    keys = {(pool.target_id, pool.workload_id) for pool in pools}
    rows = [
        (*_described(workloads[workload_id]), targets[target_id].text, [_texts(trial.trace) for trial in best])
        for target_id, workload_id in sorted(keys, key=lambda key: (-sizes[key[0]], key))
        for best in [store.best(workload_id, target_id, _BEST_OF_EACH)]
    ]
    path.write_bytes(lzma.compress(msgspec.json.encode(rows), preset=9))


def _described(workload: WorkloadSummary) -> tuple[str, str, str, str, list[int]]:
    """A workload as both files have it."""
    return workload.workload_id, workload.name, workload.family, workload.epilogue, list(workload.extents)


def _texts(trace: Trace) -> tuple[str, str]:
    return trace.instructions.decode(), trace.decisions.decode()


def _sizes(pools: Sequence[Pool]) -> dict[str, int]:
    """Trials by target."""
    sizes: dict[str, int] = {}
    for pool in pools:
        sizes[pool.target_id] = sizes.get(pool.target_id, 0) + len(pool)
    return sizes


def _write_model(store: Store, pools: Sequence[Pool], folder: Path, compute: Compute) -> None:
    dataset = dataset_of(pools)
    sizes = _sizes(pools)
    largest = max(sizes, key=lambda target_id: (sizes[target_id], target_id))
    (target,) = (target for target in store.targets() if target.target_id == largest)
    workload_ids = {pool.workload_id for pool in pools if pool.target_id == largest}
    model = make(of_kind(_KIND).model, compute=compute)
    held_out = model.fit(dataset, seed=0)
    manifest, files = packed(
        model,
        trained_on=TrainedOn.snapshot(
            target, "data", dataset.trial_ids, sizes[largest], len(workload_ids), int(dataset.is_compiled.sum())
        ),
        seed=0,
        metrics=metrics.summary(dataset.scores, held_out.mean, dataset.groups),
        split=SPLIT,
        created_at=_MADE_AT,
    )
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(folder, manifest, files)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="+", type=Path, help="log files and folders, the last one excepted")
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--anew", action="store_true", help="compute all features again")
    parser.add_argument("--networks", type=Path, help="how often networks call workloads: data/networks.json")
    parser.add_argument("--without", nargs="+", default=[], metavar="NETWORK", help="learn nothing of these of them")
    chosen = parser.parse_args()
    if chosen.without and chosen.networks is None:
        parser.error("--without needs --networks FILE")
    calls = read_networks(chosen.networks) if chosen.without else {}
    if unknown := sorted(set(chosen.without) - calls.keys()):
        parser.error(f"{chosen.networks} has no network {unknown[0]}: it has {', '.join(sorted(calls))}")
    without = {workload_id for name in chosen.without for workload_id in calls[name]}
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build(chosen.logs, chosen.out, workers=len(os.sched_getaffinity(0)), anew=chosen.anew, without=without)


if __name__ == "__main__":
    main()
