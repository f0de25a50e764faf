import dataclasses

import pytest

from costmodels.extraction import extract
from costmodels.features import machine_code
from costmodels.optimize import mean_of
from costmodels.pools import Selection, read_pools
from costmodels.registry.choose import load_model, saved_models
from costmodels.training import TrainOptions, train
from tunedb.errors import NotFoundError
from tunedb.records import Trace
from tunedb.store.memory import MemoryStore
from tunedb.store.opening import open_store

OPTIONS = TrainOptions(bundled=False, seed=1)


def test_too_few_trials_are_said_and_not_learned_from(store, target):
    store.append([], targets=[target])

    report = train(store, options=TrainOptions(bundled=False))

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
        module_id=matmul_store.modules("w0")[0].module_id,
        trace=Trace(b'[["Foo",[],[],[]]]', b"[]"),
    )
    matmul_store.append([crash])
    steps = []

    (first,) = train(matmul_store, options=OPTIONS, on_progress=steps.append).trained

    learned = first.manifest.trained_on
    assert (learned.num_trials, learned.num_workloads, first.num_cached) == (96, 4, 0)
    assert list(first.skipped.values()) == [1]
    assert {step.step for step in steps} == {"features", "fit"}
    assert set(first.manifest.metrics) == {"top1", "top5", "top16", "pairwise", "spearman"}
    loaded = load_model(matmul_store, target.target_id)
    assert loaded.location == first.location
    assert loaded.trained_on.num_trials == 96

    monkeypatch.setattr(extract, "featurise", lambda jobs, **_: pytest.fail("replayed") if jobs else _nothing())
    (again,) = train(matmul_store, options=dataclasses.replace(OPTIONS, again=True)).trained
    assert again.num_cached == 96
    assert again.manifest.metrics == first.manifest.metrics
    assert again.skipped == first.skipped
    assert first.manifest.files == again.manifest.files
    assert first.manifest.name != again.manifest.name


@pytest.mark.tvm
def test_what_is_compiled_is_learned_from_too_and_counts_as_new(matmul_store):
    (by_loops,) = train(matmul_store, options=OPTIONS).trained

    (by_code,) = train(matmul_store, options=dataclasses.replace(OPTIONS, compiling=True)).trained
    (again,) = train(matmul_store, options=OPTIONS).trained

    assert {name.split("/")[0] for name in by_loops.manifest.files} == {"first"}
    assert {name.split("/")[0] for name in by_code.manifest.files} == {"first", machine_code.FEATURE_VERSION}
    assert (by_code.is_new, again.is_new) == (True, False)  # what was compiled once is known
    assert again.manifest == by_code.manifest


@pytest.mark.tvm
def test_hyper_parameters_are_chosen_and_kept(matmul_store, target):
    steps = []
    options = dataclasses.replace(OPTIONS, optimize=4)

    (default,) = train(matmul_store, options=OPTIONS).trained
    (chosen,) = train(matmul_store, options=options, on_progress=steps.append).trained
    (again,) = train(matmul_store, options=options).trained
    (plain,) = train(matmul_store, options=OPTIONS).trained
    (repeated,) = train(matmul_store, options=dataclasses.replace(options, again=True)).trained

    tried = [step.evaluation for step in steps if step.step == "optimize" and step.evaluation is not None]
    assert [evaluation.number for evaluation in tried] == [1, 2, 3, 4]
    optimized = chosen.manifest.optimized
    assert (optimized.evaluations, optimized.seed) == (4, 1)
    assert optimized.value == max(evaluation.value for evaluation in tried)
    assert optimized.default_value == tried[0].value == pytest.approx(mean_of(default.manifest.metrics))
    assert optimized.value == pytest.approx(mean_of(chosen.manifest.metrics))
    assert optimized.value >= optimized.default_value
    winner = max(tried, key=lambda evaluation: evaluation.value)
    assert winner.hyper_parameters.items() <= chosen.manifest.hyper_parameters.items()
    assert (default.manifest.optimized, again.is_new, plain.is_new) == (None, False, False)
    assert plain.manifest == chosen.manifest
    assert (repeated.manifest.files, repeated.manifest.optimized) == (chosen.manifest.files, optimized)
    loaded = load_model(matmul_store, target.target_id)
    assert loaded.manifest == repeated.manifest
    assert loaded.model.hyper_parameters == loaded.manifest.hyper_parameters
    (pool,) = read_pools(matmul_store, target, Selection(exclude_workloads=frozenset({"w1", "w2", "w3"}))).pools
    expected = chosen.model.predict(pool.features)
    assert (loaded.model.predict(pool.features).mean == expected.mean).all()


@pytest.mark.tvm
@pytest.mark.parametrize("kind", ["memory", "bucket"])
def test_a_store_without_a_folder_carries_models_and_features(kind, matmul_store, target, request):
    def open_like():
        """The store as another process sees it; in memory there is one only."""
        bucket = request.getfixturevalue("bucket")
        return open_store(bucket.url, create=True, storage_options=bucket.options)

    store = MemoryStore() if kind == "memory" else open_like()
    store.append(
        list(matmul_store.trials()),
        workloads=[matmul_store.workload(f"w{n}") for n in range(4)],
        modules=[module for n in range(4) for module in matmul_store.modules(f"w{n}")],
        targets=[target],
        hardware=matmul_store.hardware(),
        sources=matmul_store.sources(),
    )

    (trained,) = train(store, options=OPTIONS).trained
    again = store if kind == "memory" else open_like()
    loaded = load_model(again, target.target_id)
    (repeated,) = train(again, options=OPTIONS).trained

    assert loaded.manifest == trained.manifest
    assert trained.location.startswith("memory:models/" if kind == "memory" else "s3://")
    assert (trained.num_cached, repeated.num_cached, repeated.is_new) == (0, 96, False)
    (pool,) = read_pools(again, target, Selection(exclude_workloads=frozenset({"w1", "w2", "w3"}))).pools
    assert (loaded.model.predict(pool.features).mean == trained.model.predict(pool.features).mean).all()


@pytest.mark.tvm
def test_excluded_workloads_are_not_seen(matmul_store):
    options = TrainOptions(exclude_workloads=frozenset(["w1"]), max_trials_per_workload=22, bundled=False, save=False)
    (report,) = train(matmul_store, options=options).trained

    assert (report.manifest.trained_on.num_workloads, report.manifest.trained_on.num_trials) == (3, 66)
    assert report.location is None
    assert saved_models(matmul_store) == []


def _nothing():
    from costmodels.extraction.extract import Featurised

    return Featurised({}, {}, frozenset())
