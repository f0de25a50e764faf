"""What the caches hold: the conditions that a trial says, and what happens between calls for them."""

from __future__ import annotations

import pytest

from search.caches import Caches
from search.measure.device import Timing
from search.options import TuneOptions
from search.task import Task
from tests.search.measure import modules
from tunedb.identity import conditions_of
from tunedb.records import DEFAULT_CONDITIONS, NETWORK_CONDITIONS


@pytest.mark.tvm
def test_a_timing_has_the_conditions_that_its_run_says() -> None:
    tasks = [Task("sum", modules.added(), 3.0)]
    for caches in Caches:
        timing = caches.timing(tasks) or Timing()
        assert timing.conditions == TuneOptions(8, caches=caches).conditions
    assert Caches.HOT.timing(tasks) is None  # the device's own way
    assert TuneOptions(8).conditions == DEFAULT_CONDITIONS
    assert conditions_of(caches=Caches.NETWORK.value) == NETWORK_CONDITIONS


@pytest.mark.tvm
def test_the_other_programs_of_a_larger_network_read_more() -> None:
    few, many = (Caches.NETWORK.timing([Task("sum", modules.added(), calls)]) for calls in (1.0, 5.0))
    assert few is not None and few.between is not None
    assert many is not None and many.between is not None
    assert 0 < few.between.read_bytes < many.between.read_bytes
