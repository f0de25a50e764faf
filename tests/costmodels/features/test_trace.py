import numpy as np

from costmodels.features import FAMILIES, Needs, family, trace
from tunedb.records import Trace

TILED = Trace(
    b'[["SamplePerfectTile",["l"],[4,64],["a","b","c","d"]],["SampleCategorical",[],[[0,16,64],[1,1,1]],["u"]],'
    b'["Annotate",["x","u"],["meta_schedule.unroll_explicit"],[]],["EnterPostproc",[],[],[]]]',
    b"[[0,[8,1,2,4]],[1,2]]",
)


def test_decisions_are_columns():
    (row,) = trace.extract([TILED], None)
    named = dict(zip(trace.names(), row, strict=True))

    assert [named[f"tile0_level{level}"] for level in range(4)] == [3, 0, 1, 2]
    assert named["category0"] == named["unroll_explicit"] == np.log2(65)
    assert (named["count_SamplePerfectTile"], named["count_Fuse"]) == (1, 0)


def test_what_is_no_trace_has_no_features():
    rows = trace.extract([Trace(b"{", b"[]"), TILED, Trace(b"[[1]]", b"[]")], None)

    assert np.isnan(rows).all(axis=1).tolist() == [True, False, True]
    assert rows.shape == (3, len(trace.names()))


def test_each_family_tells_what_it_needs_and_how_long_it_may_take():
    needs = {name: found.NEEDS for name, found in FAMILIES.items()}

    assert needs == {
        "loop_nest": Needs.SCHEDULE,
        "per_store": Needs.SCHEDULE,
        "machine_code": Needs.BINARY,
        "trace": Needs.TRACE,
        "workload": Needs.WORKLOAD,
    }
    assert FAMILIES["machine_code"].TRIAL_TIMEOUT_SECS > FAMILIES["loop_nest"].TRIAL_TIMEOUT_SECS
    assert all(family(found.FEATURE_VERSION) is found for found in FAMILIES.values())
