from typing import Any

import numpy as np
import pytest

from search.measure.device import Device
from tunedb.records import Trace

pytestmark = pytest.mark.tvm


@pytest.fixture
def trace(context: Any) -> Trace:
    from search.space.spaces import DesignSpaces
    from tunedb.metaschedule.replay import recorded_trace

    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    return recorded_trace(spaces.sample(4)[0].schedule.trace)


def test_a_schedule_computes_what_the_program_does(small_matmul: Any, trace: Trace, device: Device) -> None:
    from search.measure.correctness import check_numbers

    found = check_numbers(small_matmul, trace, device)
    assert found.agrees
    assert found.deviation is not None
    assert found.deviation < 1e-5


def test_a_schedule_that_computes_something_else_is_caught(
    small_matmul: Any, trace: Trace, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.measure import correctness
    from search.measure.programs import program_of
    from tests.search.measure import modules

    monkeypatch.setattr(correctness, "comparable_program", lambda *_: program_of(modules.added()))
    found = correctness.check_numbers(small_matmul, trace, device)
    assert found.agrees is False
    assert found.deviation is not None
    assert found.deviation > 0.1


def test_what_cannot_be_run_is_not_called_wrong(small_matmul: Any, device: Device) -> None:
    from search.measure.correctness import check_numbers

    found = check_numbers(small_matmul, Trace(b'[["Foo",[],[],[]]]', b"[]"), device)
    assert found.agrees is None
    assert found.problem


def test_what_takes_too_long_is_not_called_wrong(
    small_matmul: Any, trace: Trace, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.measure.correctness import check_numbers
    from search.measure.local import LocalCpu, LocalOptions

    monkeypatch.setattr("search.measure.local._BUILD_TIMEOUT_SECS", 0.001)  # which an option does not lower
    with LocalCpu(target, LocalOptions(build_timeout_secs=0.001)) as hasty:
        found = check_numbers(small_matmul, trace, hasty)
    assert found.agrees is None
    assert "took longer than" in found.problem
