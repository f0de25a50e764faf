import dataclasses

import pytest

from costmodels import pools
from costmodels.features import machine_code
from costmodels.registry.choose import load_model
from costmodels.training import train
from tunedb.errors import NotFoundError
from tunedb.records import Trace


def test_too_few_trials_are_said_and_not_learned_from(store, target):
    store.append([], targets=[target])

    report = train(store, shipped=False)

    assert report.trained == ()
    assert report.too_few[0].num_trials == 0
    with pytest.raises(NotFoundError):
        train(store, target_id="unknown")


@pytest.mark.tvm
def test_trains_saves_and_uses_the_cache_the_second_time(matmul_store, matmul, target, monkeypatch):
    _, trials = matmul
    crash = dataclasses.replace(
        trials[0],
        trial_id="broken",
        workload_id="w0",
        module_id="m0",
        trace=Trace(b'[["Foo",[],[],[]]]', b"[]"),
    )
    matmul_store.append([crash])
    steps = []

    (first,) = train(matmul_store, seed=1, shipped=False, on_progress=steps.append).trained

    assert (first.num_trials, first.num_workloads, first.num_cached) == (96, 4, 0)
    assert list(first.skipped.values()) == [1]
    assert {step.step for step in steps} == {"features", "fit"}
    assert set(first.metrics) == {"top1", "top5", "top16", "pairwise", "spearman"}
    loaded = load_model(matmul_store, target.target_id)
    assert loaded.directory == first.directory
    assert loaded.trained_on.num_trials == 96

    monkeypatch.setattr(pools, "featurise", lambda jobs, **_: pytest.fail("replayed") if jobs else _nothing())
    (again,) = train(matmul_store, seed=1, shipped=False, again=True).trained
    assert again.num_cached == 96
    assert again.metrics == first.metrics
    assert again.skipped == first.skipped
    files = [
        {p.name: p.read_bytes() for p in d.rglob("*") if p.is_file() and p.name != "manifest.json"}
        for d in (first.directory, again.directory)
    ]
    assert files[0] == files[1]


@pytest.mark.tvm
def test_what_is_compiled_is_learned_from_too_and_counts_as_new(matmul_store):
    (by_loops,) = train(matmul_store, seed=1, shipped=False).trained

    (by_code,) = train(matmul_store, seed=1, shipped=False, compiling=True).trained
    (again,) = train(matmul_store, seed=1, shipped=False).trained

    assert {path.name for path in by_loops.directory.iterdir()} == {"first", "manifest.json"}
    assert {path.name for path in by_code.directory.iterdir()} == {
        "first",
        machine_code.FEATURE_VERSION,
        "manifest.json",
    }
    assert (by_code.is_new, again.is_new) == (True, False)  # what was compiled once is known
    assert again.directory == by_code.directory


@pytest.mark.tvm
def test_excluded_workloads_are_not_seen(matmul_store):
    (report,) = train(
        matmul_store, exclude_workloads=["w1"], max_trials_per_workload=22, shipped=False, save=False
    ).trained

    assert (report.num_workloads, report.num_trials) == (3, 66)
    assert report.directory is None


def _nothing():
    from costmodels.extraction.extract import Featurised

    return Featurised({}, {}, frozenset())
