"""GPUs whose processes hang, crash, are killed or are lost; the CPU stands in for the devices and for nothing else."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.measure.device import Timing
from search.measure.programs import program_of
from tests.search.measure import modules
from tests.search.measure.cuda.stand_in import H100, devices, gpus
from tunedb.errors import MeasurementError
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm


def stray() -> Any:
    """What ends its process: for a CPU, what an illegal access is for a GPU."""
    from tvm import tirx

    return modules.applied(lambda x: tirx.call_extern("float32", "abort"))


def measured(device: Any, *mods: Any, keep: bool = False) -> list[Any]:
    """Measurements in the order of the programs."""
    numbers = [build.number for build in device.build([program_of(mod) for mod in mods], keep=keep)]
    found = {one.number: one for one in device.run(numbers)}
    return [found[number] for number in numbers]


def process_of(runner: Any) -> int:
    return int(runner._pool.submit(os.getpid).result())


def test_a_program_that_ends_its_process_costs_itself_and_a_process(target: Target) -> None:
    with devices(target, number=1) as device:
        before = process_of(device._working()[0])
        crashed, good = measured(device, stray(), modules.matmul(64))
        assert (crashed.outcome, good.outcome) == (Outcome.RUN_ERROR, Outcome.OK)
        assert "abort" in crashed.error
        assert process_of(device._working()[0]) != before


def test_after_an_error_the_next_program_has_a_fresh_process(target: Target) -> None:
    """An illegal access spoils a context without ending its process: so does this error end none by itself."""
    with devices(target, number=1) as device:
        (runner,) = device._working()
        before = process_of(runner)
        (build,) = device.build([program_of(modules.matmul(64))], keep=True)
        Path(device._known[build.number].building.library).unlink()
        (failed,) = device.run([build.number])
        assert failed.outcome is Outcome.RUN_ERROR
        assert process_of(runner) != before
        (good,) = measured(device, modules.matmul(64))
        assert good.outcome is Outcome.OK


def test_the_watchdog_ends_what_hangs(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from search.measure.cuda import runner

    monkeypatch.setattr(runner, "START_SECS", 8.0)
    with devices(target, number=1, run_timeout_secs=0.5) as device:
        hung, good = measured(device, modules.matmul(4096), modules.matmul(64))
        assert (hung.outcome, good.outcome) == (Outcome.RUN_TIMEOUT, Outcome.OK)
        assert "longer than 0.5 s (--run-timeout" in hung.error


def test_a_process_that_somebody_kills_is_followed_by_another(target: Target) -> None:
    with devices(target, number=1) as device:
        measured(device, modules.matmul(64))
        os.kill(process_of(device._working()[0]), signal.SIGKILL)
        first, second = measured(device, modules.matmul(64), modules.added())
        assert second.outcome is Outcome.OK
        assert first.outcome in (Outcome.OK, Outcome.RUN_ERROR)


def test_several_gpus_share_the_programs(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from search.measure.cuda.runner import Runner

    places: list[int] = []
    original: Callable[..., Any] = Runner.measure

    def noted(self: Any, *args: Any) -> Any:
        places.append(self.gpu.place)
        return original(self, *args)

    monkeypatch.setattr(Runner, "measure", noted)
    with devices(target, number=2) as device:
        assert device.num_parallel == 2
        assert device.hardware == H100
        found = measured(device, *[modules.matmul(64)] * 6)
    assert [one.outcome for one in found] == [Outcome.OK] * 6
    assert set(places) == {0, 1}


def test_a_gpu_that_is_lost_costs_no_candidate(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    with devices(target, number=1, lost=1) as device:
        found = measured(device, modules.matmul(64), modules.added())
        assert [one.outcome for one in found] == [Outcome.OK] * 2
        assert device.num_parallel == 1
    assert "GPU 0 (NVIDIA H100 80GB HBM3 ) is not used any longer" in caplog.text


def test_a_check_parts_gpus_that_work_from_those_that_do_not(target: Target) -> None:
    with devices(target, number=1, lost=1) as device:
        device.check()
        assert [runner.gpu.place for runner in device._working()] == [1]
    with devices(target, number=0, lost=1) as device, pytest.raises(MeasurementError, match="none of the GPUs"):
        device.check()


def test_when_the_last_gpu_is_lost_the_run_ends(target: Target) -> None:
    with devices(target, number=0, lost=1) as device, pytest.raises(MeasurementError, match="the last GPU"):
        measured(device, modules.matmul(64))


def test_what_is_flushed_and_what_its_owner_set_are_conditions(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from search.measure.cuda import clocks

    monkeypatch.setattr(clocks, "settings", lambda uuid: {"power_limit_watts": 300})
    with devices(target, number=1) as device:
        assert device.conditions(Timing()) == '{"power_limit_watts":300}'
        assert device.conditions(Timing(flush_cache=True)) == '{"caches":"flushed","power_limit_watts":300}'
        numbers = [build.number for build in device.build([program_of(modules.matmul(64))])]
        (cold,) = device.run(numbers, timing=Timing(repeat=3, flush_cache=True))
        assert len(cold.run_secs) == 3


def test_tuning_runs_on_gpus_as_on_any_device(small_matmul: Any, target: Target) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    with devices(target, number=2) as device:
        report = tune(
            [Task("small", small_matmul)],
            store=store,
            target=target,
            trials=4,
            batch_size=4,
            check=False,
            device=device,
        )
    assert report.trials == 4
    kept = [trial for row in store.workloads() for trial in store.trials(row.workload_id, target.target_id)]
    assert {trial.hardware_id for trial in kept} == {H100.hardware_id}
    assert gpus(1)[0].hardware.kind == "gpu"
