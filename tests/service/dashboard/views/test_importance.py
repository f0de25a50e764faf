"""Importance of decisions, on made-up spaces whose answer is known and on real logs."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from search.importance import LEAST, decided, importance
from service.dashboard.panel import Filters
from service.dashboard.views import importance as view
from tests.service.dashboard.views.conftest import WARM, named
from tests.tunedb.samples import POSTPROC, failed, trial
from tunedb import Store
from tunedb.records import Trace

INSTRUCTIONS = (
    b'[["GetSBlock",[],["C","main"],["b0"]],["GetLoops",["b0"],[],["l1","l2"]],'
    b'["SamplePerfectTile",["l1"],[2,64],["v3","v4"]],["SamplePerfectTile",["l2"],[2,64],["v5","v6"]],'
    b'["SampleCategorical",[],[[0,16,64],[0.3,0.3,0.4]],["v7"]],'
    b'["Annotate",["b0","v7"],["meta_schedule.unroll_explicit"],[]],'
    b'["SampleComputeLocation",["b0"],[],["l8"]],' + POSTPROC
)


def made(outer: int, inner: int, unroll: int, place: int, secs: float) -> object:
    decisions = b"[[2,[%d,%d]],[3,[%d,%d]],[4,%d],[6,%d]]" % (16 // outer, outer, 16 // inner, inner, unroll, place)
    return trial(0, secs=secs, trace=Trace(INSTRUCTIONS, decisions))


def space() -> list[object]:
    """The second tile makes a factor of up to 16, unrolling one of up to 1.2, and the others nothing."""
    choices = itertools.product((1, 2, 4, 8, 16), (1, 2, 4, 8, 16), (0, 1, 2), (-2, -1))
    return [made(*choice, 1e-3 * choice[1] * 1.1 ** choice[2]) for choice in choices]


def test_the_decision_that_makes_the_difference_is_found() -> None:
    found = decided([*space(), failed(0)])  # type: ignore[list-item]
    assert [one.label for one in found.decisions] == [
        "tile of C, loop 1",
        "tile of C, loop 2",
        "unroll_explicit",
        "place of C",
    ]
    assert (len(found.secs), found.num_other_spaces, found.num_unread) == (150, 0, 0)
    assert found.secs[0] == pytest.approx(1e-3)
    assert [one.text(value) for one, value in zip(found.decisions, found.values[0], strict=True)][1:3] == [
        "16 x 1",
        "0",
    ]
    assert found.decisions[3].text(-2) == "inlined"
    assert found.decisions[3].text(4) == "4"
    known = importance(found)
    assert known is not None
    assert known.r2 > 0.9
    assert known.shares[1] > 1.0  # shuffling adds both the lost and the wrong part of the variance
    assert known.shares[1] > 20 * max(known.shares[0], known.shares[3])
    assert known.shares[2] > max(known.shares[0], known.shares[3])
    assert importance(found, 0) == known  # the seed decides


def test_too_few_or_equal_schedules_have_no_importance() -> None:
    assert importance(decided(space()[: LEAST - 1])) is None  # type: ignore[arg-type]
    equal = [dataclasses.replace(one, run_secs=(1e-3,)) for one in space()]  # type: ignore[type-var]
    assert importance(decided(equal)) is None  # type: ignore[arg-type]
    assert importance(decided([])) is None


def test_foreign_traces_are_counted_and_not_read() -> None:
    odd = trial(0, secs=1e-3, trace=Trace(b'{"not": "a trace"}', b"[]"))
    nothing = Trace(b'[["SamplePerfectTile",[],[],[]],["SampleComputeLocation",[],7,null]]', b"[[0,[0,4]],[1,2]]")
    found = decided([odd, trial(0, secs=1e-3, trace=nothing), *space()])  # type: ignore[list-item]
    assert found.num_unread == 2
    assert len(found.secs) == 150


def test_bare_instructions_are_labelled_all_the_same() -> None:
    bare = Trace(
        b'[["SamplePerfectTile",[],[],[]],["SampleComputeLocation",[],7,null],["Other",[],[],[]]]',
        b"[[0,[2,4]],[1,2],[2,1]]",
    )
    found = decided([trial(0, secs=1e-3, trace=bare)])
    assert [one.label for one in found.decisions] == ["tile of a loop", "place of a block", "Other"]


def test_a_run_or_a_time_narrows_the_schedules(runs: Store) -> None:
    filters = Filters(workload=trial(0).workload_id)
    every = named(view.VIEW.build(runs, filters), "coordinates").table
    of_run = named(view.VIEW.build(runs, filters.with_(run=WARM.uri)), "coordinates").table
    late = named(view.VIEW.build(runs, filters.with_(since=WARM.added_at)), "coordinates").table
    assert every.num_rows == 7  # all that succeeded but one, whose tile has a factor of 0
    assert of_run.column("latency_secs").to_pylist() == pytest.approx([1e-3, 2.02e-3])
    assert late.column("latency_secs").to_pylist() == pytest.approx([1e-3, 2.02e-3, 18e-3, 20e-3])


def test_the_view_of_real_logs(logs: Store) -> None:
    matmul = next(row for row in logs.workloads() if row.name == "matmul 1x512x512x512 float32")
    panels = view.VIEW.build(logs, Filters(workload=matmul.workload_id[:10]))
    bars, lines = named(panels, "importance"), named(panels, "coordinates")
    shares = bars.table.column("importance_share_of_variance").to_pylist()
    assert shares == sorted(shares, reverse=True)
    assert bars.table.column("decision").to_pylist()[0] in bars.summary
    assert bars.table.num_rows == 5  # four tiles and unrolling
    secs = lines.table.column("latency_secs").to_pylist()
    assert min(secs) == pytest.approx(logs.pool_summaries([matmul.workload_id])[0].best_secs, rel=1e-6)
    assert all(map(math.isfinite, secs))
    assert lines.chart is not None
