"""A model of ours inside stock evolutionary search."""

from __future__ import annotations

import numpy as np
import pytest

from costmodels.dataset import Dataset
from costmodels.features import loop_nest
from costmodels.models import RidgeModel

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def context():
    import tvm
    from tvm.s_tir import meta_schedule as ms

    from search.corpus.operators import prim_func
    from tunedb.metaschedule.intrinsics import register_for

    register_for("llvm")
    module = tvm.IRModule({"main": prim_func("matmul", [64, 64, 64])})
    target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
    return ms.TuneContext(mod=module, target=target, space_generator="post-order-apply", num_threads=1)


@pytest.fixture(scope="module")
def candidates(context):
    from tvm.s_tir import Schedule
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.schedule import Trace

    space = context.generate_design_space()[-1]
    found = []
    for seed in range(1, 33):
        schedule = Schedule(context.mod, seed=seed)
        Trace(space.trace.insts, {}).apply_to_schedule(schedule, remove_postproc=True)
        found.append(ms.MeasureCandidate(schedule, []))
    return found


@pytest.fixture
def model(context, candidates):
    """One that has learned that many loops are slow."""
    rows = loop_nest.extract([candidate.sch for candidate in candidates], context)
    costs = rows[:, loop_nest.names().index("main_group0_size")] / 4
    scores = np.exp(-(costs - costs.min()))
    fitted = RidgeModel(alpha=1.0, members=2)
    fitted.fit(Dataset(rows, scores, np.repeat([0, 1], 16), ("a", "b"), tuple(map(str, range(32)))), seed=0)
    return fitted


def test_scores_follow_the_model_from_the_first_trial(context, candidates, model):
    from costmodels.metaschedule import cost_model

    scores = cost_model(model).predict(context, candidates)

    rows = loop_nest.extract([candidate.sch for candidate in candidates], context)
    assert np.argsort(-scores, kind="stable").tolist() == np.argsort(model.predict(rows).mean, kind="stable").tolist()
    assert len(np.unique(scores)) > 8


def test_learns_from_the_run_and_leaves_the_given_model_alone(context, candidates, model):
    from tvm.s_tir import meta_schedule as ms

    from costmodels.metaschedule import cost_model

    rows = loop_nest.extract([candidate.sch for candidate in candidates], context)
    before = model.predict(rows).mean
    # The opposite of what it believes.
    results = [ms.runner.RunnerResult([float(np.exp(-cost))], None) for cost in before]
    learning, fixed = cost_model(model), cost_model(model, learn=False)
    first = learning.predict(context, candidates)
    for plugged in (learning, fixed):
        plugged.update(context, candidates, results)

    assert np.corrcoef(first, learning.predict(context, candidates))[0, 1] < 0.5
    assert (fixed.predict(context, candidates) == first).all()
    assert (model.predict(rows).mean == before).all()


def test_stock_evolutionary_search_runs_with_it(context, model, tmp_path):
    from tvm.s_tir import meta_schedule as ms

    from costmodels.metaschedule import cost_model
    from search.measure.local import LocalCpu
    from search.metaschedule import DeviceBuilder, DeviceRunner
    from tunedb.metaschedule.replay import target_from_tvm

    target = target_from_tvm(context.target)
    with LocalCpu(target) as device:
        database = ms.tune_tir(
            mod=context.mod,
            target=context.target,
            work_dir=str(tmp_path),
            max_trials_global=4,
            num_trials_per_iter=4,
            builder=DeviceBuilder(device),
            runner=DeviceRunner(device),
            cost_model=cost_model(model),
            strategy=ms.search_strategy.EvolutionarySearch(population_size=16, init_measured_ratio=0.2),
            seed=1,
        )
        assert len(database) == 4
