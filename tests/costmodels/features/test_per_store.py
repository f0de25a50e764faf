import json

import numpy as np
import pytest

from costmodels.features import per_store


def test_every_column_has_its_own_name():
    assert len(per_store.names()) == len(set(per_store.names())) == 492


def test_aggregates_over_stores_and_bounds_infinities():
    stores = np.array([[1.0, -3.0, np.inf], [2.0, 1.0, np.nan]])

    row = per_store.aggregate(stores)

    assert row[[0, 3, 6]] == pytest.approx(np.log1p([3, 2, 1]))
    assert row[[1, 4, 7]] == pytest.approx([-np.log1p(2), np.log1p(1), -np.log1p(3)])
    assert np.isfinite(row).all()
    assert np.isnan(per_store.aggregate(np.empty((0, 2)))).all()


@pytest.fixture(scope="module")
def candidates(matmul):
    from tunedb.metaschedule.replay import schedule

    module, trials = matmul
    return [schedule(module, trial.trace, trusted=True) for trial in trials[:6]]


@pytest.fixture(scope="module")
def context(candidates):
    import tvm
    from tvm.s_tir import meta_schedule as ms

    target = tvm.target.Target(json.loads('{"kind":"llvm","mcpu":"znver5","num-cores":1}'))
    return ms.TuneContext(mod=candidates[0].mod, target=target, num_threads=1)


@pytest.mark.tvm
def test_rows_are_finite_and_tell_schedules_apart(candidates, context):
    rows = per_store.extract(candidates, context)

    assert rows.shape == (6, 492)
    assert np.isfinite(rows).all()
    assert len(np.unique(rows, axis=0)) > 1
    assert (rows == per_store.extract(candidates, context)).all()
    assert per_store.extract([], context).shape == (0, 492)


@pytest.mark.tvm
def test_names_fit_their_columns(candidates, context):
    column = dict(zip(per_store.names(), per_store.extract(candidates, context).T, strict=True))

    assert (column["max_is_gpu"] == 0).all()
    assert (column["max_float_mul"] == np.log1p(np.log2(64**3 + 1))).all()
    assert (column["max_outer_product"] == np.log1p(np.log2(64**3 + 1))).all()
    assert (column["max_buffer0_is_write"] <= np.log1p(1)).all()


@pytest.mark.tvm
def test_one_bad_candidate_costs_only_its_row(candidates, context, monkeypatch):
    from tvm.s_tir import meta_schedule as ms

    extract_from = ms.feature_extractor.PerStoreFeature.extract_from

    def fail_with(self, context, batch):
        if any(candidate.sch.same_as(candidates[2]) for candidate in batch):
            raise RuntimeError("cannot lower")
        return extract_from(self, context, batch)

    expected = per_store.extract(candidates, context)
    monkeypatch.setattr(ms.feature_extractor.PerStoreFeature, "extract_from", fail_with)

    rows = per_store.extract(candidates, context)

    assert np.isnan(rows[2]).all()
    assert (np.delete(rows, 2, axis=0) == np.delete(expected, 2, axis=0)).all()
