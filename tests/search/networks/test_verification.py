"""Wrong, slow and broken schedules, planted before good ones: none of them enters a library."""

from collections.abc import Callable
from typing import Any

import pytest

from search.measure.device import Device
from search.networks.plan import Choice, Origin, Schedule
from search.networks.verification import settle
from search.task import Task
from tunedb.metaschedule.replay import recorded_trace, workload_from_module
from tunedb.records import Trace

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def mod() -> Any:
    import tvm
    from tvm import te

    a, b = (te.placeholder((16, 16), name=name) for name in "ab")
    k = te.reduce_axis((0, 16), name="k")
    c = te.compute((16, 16), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    d = te.compute((16, 16), lambda i, j: te.max(c[i, j], 0.0), name="D")
    return tvm.IRModule({"main": te.create_prim_func([a, b, d]).with_attr("global_symbol", "main")})


def traced(mod: Any, steps: Callable[[Any], None]) -> Trace:
    from tvm.s_tir import Schedule as TvmSchedule

    schedule = TvmSchedule(mod, debug_mask=0)
    steps(schedule)
    schedule.enter_postproc()
    return recorded_trace(schedule.trace)


def of_8_bits(schedule: Any) -> None:
    schedule.unsafe_set_dtype(schedule.get_sblock("C"), 0, "int8")


def of_16_bits(schedule: Any) -> None:
    schedule.unsafe_set_dtype(schedule.get_sblock("C"), 0, "float16")


def two_rows_in_one(schedule: Any) -> None:
    schedule.transform_layout(
        schedule.get_sblock("C"), ("write", 0), lambda i, j: (i // 2, j), assume_injective_transform=True
    )


def four_columns_for_all(schedule: Any) -> None:
    schedule.transform_layout(
        schedule.get_sblock("C"), ("write", 0), lambda i, j: (i, j % 4), assume_injective_transform=True
    )


def choice(mod: Any, *traces: Trace) -> Choice:
    schedules = tuple(Schedule(Origin.RECORD, trace, f"{place:032x}") for place, trace in enumerate(traces))
    return Choice(Task("relu", mod), workload_from_module(mod)[0], schedules)


@pytest.mark.parametrize("wrong", [of_8_bits, of_16_bits, two_rows_in_one, four_columns_for_all])
def test_a_wrong_schedule_is_refused(mod: Any, device: Device, wrong: Callable[[Any], None]) -> None:
    (found,) = settle([choice(mod, traced(mod, wrong))], device)
    assert found.origin is Origin.UNTUNED
    assert found.trace is None
    (why,) = found.refused
    assert "WRONG NUMBERS" in why


def test_the_next_schedule_takes_the_place_of_one_that_is_refused(mod: Any, device: Device) -> None:
    def parallel(schedule: Any) -> None:
        schedule.vectorize(schedule.get_loops(schedule.get_sblock("D"))[1])

    broken = Trace(b'[["Foo",[],[],[]]]', b"[]")
    given = choice(mod, broken, traced(mod, two_rows_in_one), traced(mod, parallel))
    (found,) = settle([given], device)
    assert len(found.refused) == (2 if found.trace else 3)  # who is the faster is not for a test to say
    assert "WRONG NUMBERS" in found.refused[1]
    if found.trace is not None:
        assert found.record_id == f"{2:032x}"
        assert found.is_verified


def test_without_schedules_a_program_is_untuned(mod: Any, device: Device) -> None:
    (found,) = settle([choice(mod)], device)
    assert (found.origin, found.note) == (Origin.UNTUNED, "nothing is known of it")
