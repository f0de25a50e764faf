import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from costmodels import pools
from costmodels.dataset import dataset_of, not_among
from costmodels.kinds import KINDS
from costmodels.pools import Features, Selection, read_pools, spread
from tunedb.identity import program_from_graph
from tunedb.machine.hardware import anonymous_trial_id
from tunedb.records import Hardware, Outcome, Source, Trace, Trial


def trial(trial_id, secs, workload_id="w", hardware_id="h" * 64):
    trace = Trace(b"[]", b"[]")
    return Trial(trial_id, workload_id, f"m{workload_id}", "a" * 64, hardware_id, "s" * 64, 0, trace, b"[]", (secs,))


@pytest.fixture
def filled(store, target, matmul, monkeypatch):
    """Trials of two workloads on two machines, whose features are made up: all but those of "none"."""
    module, _ = matmul
    workload, _ = program_from_graph(module.module_json, module.structural_hash)
    failed = dataclasses.replace(trial("failed", 1.0), run_secs=(), outcome=Outcome.RUN_ERROR)
    of_w = [trial("a", 2.0), trial("b", 1.0), trial("none", 0.5), failed]
    elsewhere = [trial("c", 8.0, hardware_id="i" * 64), trial("d", 4.0, hardware_id="i" * 64)]
    store.append(
        [*of_w, *elsewhere, trial("e", 1.0, "v"), trial("f", 3.0, "v"), trial("alone", 3.0, "u")],
        workloads=[dataclasses.replace(workload, workload_id=w) for w in "uvw"],
        modules=[dataclasses.replace(module, workload_id=w, module_id=f"m{w}") for w in "uvw"],
        targets=[target],
        hardware=[Hardware("h" * 64, "one"), Hardware("i" * 64, "other")],
        sources=[Source("s" * 64, "test", "test")],
    )

    def features_of(store, target, trials, family, **_):
        rows = {t.trial_id: np.full(3, float(n)) for n, t in enumerate(trials) if t.trial_id != "none"}
        return Features(rows, {"none": "crashed"}, 1)

    monkeypatch.setattr(pools, "features_of", features_of)
    return store


def test_scores_are_relative_to_the_best_on_the_same_machine(filled, target):
    reading = read_pools(filled, target)

    scores = {(pool.workload_id, *pool.trial_ids): pool.scores.tolist() for pool in reading.pools}
    assert scores == {("v", "e", "f"): [1, 1 / 3], ("w", "a", "b"): [0.25, 0.5], ("w", "c", "d"): [0.5, 1]}
    assert reading.skipped == {"crashed": 1}
    assert reading.num_cached == 1


def test_workloads_are_excluded_and_trials_limited(filled, target):
    (pool,) = read_pools(filled, target, Selection(exclude_workloads=frozenset("w"))).pools
    assert pool.workload_id == "v"
    limited = read_pools(filled, target, Selection(limit=2))
    assert {len(pool) for pool in limited.pools} == {2}
    assert limited.num_beyond == 1
    assert read_pools(filled, target).num_beyond == 0


def test_pools_make_a_dataset(filled, target):
    found = read_pools(filled, target).pools

    data = dataset_of(found)

    assert len(data) == 6
    assert data.workload_ids == ("v", "w", "w")
    assert data.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_pool_without_some_trials(filled, target):
    pool = read_pools(filled, target).pools[0]

    assert pool.without({"x"}) is pool
    assert pool.without({"e"}).trial_ids == ("f",)
    assert pool.without({"e"}).features.shape == (1, 3)


def test_a_trial_is_known_under_the_name_of_its_machine_too(filled, target):
    (known, *_) = read_pools(filled, target).pools  # "e" and "f", on a machine with a name
    without_names = [anonymous_trial_id(trial) for trial in filled.trials() if trial.trial_id in known.trial_ids]
    bundled = dataclasses.replace(known, trial_ids=tuple(without_names), anonymous_ids=())
    other = dataclasses.replace(known, trial_ids=("e", "elsewhere"), anonymous_ids=("x", "elsewhere"))

    assert not_among([bundled], [known]) == []
    assert [pool.trial_ids for pool in not_among([other], [known])] == [("elsewhere",)]
    assert not_among([other], [bundled]) == [other]


def test_bundled_machine_code_is_known_under_either_name(filled, target, monkeypatch):
    asked = []

    def features_of(store, target, trials, family, *, computing=True, **_):
        if family.FEATURE_VERSION.startswith("loop_nest"):
            return Features({t.trial_id: np.zeros(3) for t in trials})
        asked.append((sorted(t.trial_id for t in trials), computing))
        return Features({"f": np.full(2, 5.0)} if computing else {})

    monkeypatch.setattr(pools, "features_of", features_of)
    (e,) = (t for t in filled.trials() if t.trial_id == "e")
    bundled = SimpleNamespace(code_rows={"a": np.full(2, 7.0), anonymous_trial_id(e): np.full(2, 8.0)})
    monkeypatch.setitem(KINDS, "llvm", dataclasses.replace(KINDS["llvm"], prior=bundled))

    of_v = read_pools(filled, target).pools[0].code
    compiled = {pool.workload_id: pool.code for pool in read_pools(filled, target, Selection(compiling=True)).pools}

    assert [computing for _, computing in asked] == [False, True]
    assert not {"a", "e"} & set(asked[1][0])
    assert np.array_equal(of_v, [[8, 8], [np.nan, np.nan]], equal_nan=True)
    assert compiled["v"].tolist() == [[8, 8], [5, 5]]


def test_pools_with_and_without_machine_code_make_one_dataset(filled, target):
    bare, *_, known = (dataclasses.replace(pool, code=None) for pool in read_pools(filled, target).pools)
    known = dataclasses.replace(known, code=np.full((len(known), 4), 2.0))

    data = dataset_of([bare, known])

    assert data.code.shape == (len(bare) + len(known), 4)
    assert data.is_compiled.tolist() == [False] * len(bare) + [True] * len(known)
    assert data.rows(data.is_compiled).code.tolist() == known.code.tolist()
    assert dataset_of([bare]).code is None
    assert not dataset_of([bare]).is_compiled.any()
    assert known.without({known.trial_ids[0]}).code.shape == (len(known) - 1, 4)


def test_spread_keeps_the_ends_and_even_ranks(matmul):
    _, trials = matmul
    ranked = [t.trial_id for t in trials]

    assert [t.trial_id for t in spread(trials, 3)] == [ranked[0], ranked[12], ranked[23]]
    assert {t.trial_id for t in spread(trials, 99)} == set(ranked)
