"""What run times say, over all floats."""

from __future__ import annotations

import math
import statistics

import pytest

from tunedb.records import Outcome
from tunedb.run_times import FAILED_SECS, SHORTEST_SECS, outcome_of

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


@hypothesis.given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5))
def test_good_run_times_are_those_that_a_machine_can_have(run_secs: list[float]) -> None:
    outcome, kept, error = outcome_of(run_secs)
    if outcome is Outcome.OK:
        assert list(kept) == run_secs
        assert SHORTEST_SECS <= statistics.median(kept) < FAILED_SECS
        assert error == ""
    else:
        assert kept == ()
        assert any(not math.isfinite(secs) or not SHORTEST_SECS <= secs < FAILED_SECS for secs in run_secs)
