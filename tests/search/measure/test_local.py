"""Real workers, and candidates that really fail."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.measure.observer import INTERRUPTED
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm


def slow_module() -> Any:
    """An unscheduled matrix product of 4096: minutes."""
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(te_workload.matmul(4096, 4096, 4096))
    return IRModule({"main": function.with_attr("global_symbol", "main")})


def threaded_module(mod: Any) -> Any:
    """Loops bound to GPU threads, which no CPU has."""
    from tvm.s_tir import Schedule

    schedule = Schedule(mod)
    schedule.bind(schedule.get_loops(schedule.get_sblock("C"))[0], "threadIdx.x")
    return schedule.mod


class Heard:
    def __init__(self) -> None:
        self.events: list[tuple[str, Outcome, str]] = []

    def built(self, index: int, artifact_path: str | None, outcome: Outcome, error: str) -> None:
        self.events.append((f"built {index}", outcome, error))

    def ran(self, artifact_path: str, run_secs: list[float] | None, outcome: Outcome, error: str) -> None:
        self.events.append(("ran", outcome, error))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def builder(target: Target, heard: Heard) -> Iterator[Any]:
    from search.measure.local import PersistentBuilder

    made = PersistentBuilder(target, max_workers=1, observer=heard)
    yield made
    made.close()


def built(builder: Any, target: Target, *mods: Any) -> Any:
    from tvm.s_tir.meta_schedule.builder import BuilderInput

    from tunedb.metaschedule.replay import target_to_tvm

    return builder.build([BuilderInput(mod, target_to_tvm(target)) for mod in mods])


def test_a_build_that_fails_costs_itself_only(builder: Any, target: Target, small_matmul: Any, heard: Heard) -> None:
    failed, good = built(builder, target, threaded_module(small_matmul), small_matmul)
    assert failed.artifact_path is None
    assert good.artifact_path is not None
    assert [(what, outcome) for what, outcome, _ in heard.events] == [
        ("built 0", Outcome.COMPILE_ERROR),
        ("built 1", Outcome.OK),
    ]
    assert heard.events[0][2]


def test_a_run_that_hangs_or_crashes_is_cut_off_and_the_next_one_works(
    builder: Any, target: Target, small_matmul: Any, heard: Heard
) -> None:
    from tvm.s_tir import meta_schedule as ms

    from search.measure.local import PersistentRunner

    slow_built, good_built = built(builder, target, slow_module(), small_matmul)
    large = [ms.arg_info.TensorInfo("float32", [4096, 4096])] * 3
    square = [ms.arg_info.TensorInfo("float32", [64, 64])] * 3
    runner = PersistentRunner(target, timeout_secs=4.0, repeat=2, observer=heard)
    heard.events.clear()
    inputs = [
        ms.runner.RunnerInput(slow_built.artifact_path, "cpu", large),
        ms.runner.RunnerInput("/no/such/artifact.tar", "cpu", large),
        ms.runner.RunnerInput(good_built.artifact_path, "cpu", square),
    ]
    hung, broken, good = (future.result() for future in runner.run(inputs))
    runner.close()
    assert "longer than 4 s" in str(hung.error_msg)
    assert broken.error_msg is not None
    assert good.error_msg is None
    assert len(good.run_secs) == 2
    assert [outcome for _, outcome, _ in heard.events] == [Outcome.RUN_TIMEOUT, Outcome.RUN_ERROR, Outcome.OK]


def test_what_was_not_run_when_the_stop_came_is_no_trial(target: Target, heard: Heard) -> None:
    import threading

    from tvm.s_tir import meta_schedule as ms

    from search.measure.local import PersistentRunner

    stop = threading.Event()
    stop.set()
    runner = PersistentRunner(target, observer=heard, stop=stop)
    (future,) = runner.run([ms.runner.RunnerInput("never-opened.tar", "cpu", [])])
    runner.close()
    assert str(future.result().error_msg) == INTERRUPTED
    assert heard.events == []


def test_flushed_caches_make_a_kernel_slower(builder: Any, target: Target) -> None:
    from tvm import te
    from tvm.ir import IRModule

    from search.measure.local import PersistentRunner

    # Hardly any arithmetic: with its inputs in the innermost cache it takes a fraction of the time.
    a, b = (te.placeholder((16384,), name=name, dtype="float32") for name in "ab")
    c = te.compute((16384,), lambda i: a[i] + b[i], name="c")
    mod = IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})
    (made,) = built(builder, target, mod)
    args = (("TENSOR", "float32", [16384]),) * 3
    fastest = {}
    for flush in (False, True):
        runner = PersistentRunner(target, flush_cache=flush)
        run_secs = runner.measure(made.artifact_path, "cpu", args)
        runner.close()
        assert len(run_secs) == 3
        fastest[flush] = min(run_secs)
    assert fastest[True] > fastest[False]


def run_of(runner: Any, results: Any) -> Any:
    from tvm.s_tir import meta_schedule as ms

    square = [ms.arg_info.TensorInfo("float32", [64, 64])] * 3
    inputs = [ms.runner.RunnerInput(result.artifact_path, "cpu", square) for result in results]
    return [future.result() for future in runner.run(inputs)]


@pytest.mark.parametrize("way", ["pipelined", "in turn", "just in time"])
def test_the_next_is_built_while_one_is_measured_or_after(
    builder: Any, target: Target, small_matmul: Any, heard: Heard, way: str
) -> None:
    from search.measure.local import PersistentRunner

    runner = PersistentRunner(target, repeat=2, observer=heard, builder=builder)
    builder.is_pipelined = way == "pipelined"
    builder.is_in_turn = way != "pipelined"
    builder.compiles_in = runner.pool if way == "just in time" else None
    results = built(builder, target, threaded_module(small_matmul), small_matmul)
    assert all(result.error_msg is None for result in results)  # promised
    assert heard.events == []
    failed, good = run_of(runner, results)
    assert Path(results[1].artifact_path).exists() == (way != "just in time")
    runner.close()
    assert failed.error_msg is not None
    assert len(good.run_secs) == 2
    assert [(what, outcome) for what, outcome, _ in heard.events] == [
        ("built 0", Outcome.COMPILE_ERROR),
        ("built 1", Outcome.OK),
        ("ran", Outcome.OK),
    ]


def test_what_is_compiled_just_in_time_is_run_in_that_process_and_fails_alone(
    builder: Any, target: Target, small_matmul: Any, heard: Heard
) -> None:
    import os

    from search.measure.local import PersistentRunner

    runner = PersistentRunner(target, repeat=2, observer=heard, builder=builder)
    builder.is_in_turn, builder.compiles_in = True, runner.pool
    run_of(runner, built(builder, target, small_matmul))
    first = runner.pool.submit(os.getpid).result()
    (worker,) = runner.pool._worker_map.values()
    worker._remaining_uses = 1  # it would be replaced after compiling, and before running what it compiled
    (good,) = run_of(runner, built(builder, target, small_matmul))
    assert len(good.run_secs) == 2
    assert runner.pool.submit(os.getpid).result() != first
    # A compilation that takes too long is one, and no run.
    heard.events.clear()
    builder.pool.timeout_secs = 0.001
    (slow,) = run_of(runner, built(builder, target, small_matmul))
    builder.pool.timeout_secs = 15.0
    (good,) = run_of(runner, built(builder, target, small_matmul))
    runner.close()
    assert "longer than 0.001 s" in str(slow.error_msg)
    assert len(good.run_secs) == 2
    assert [outcome for _, outcome, _ in heard.events] == [Outcome.COMPILE_TIMEOUT, Outcome.OK, Outcome.OK]


def test_what_calls_a_library_is_measured_as_it_will_be_linked(builder: Any, target: Target, heard: Heard) -> None:
    from tvm import te, tirx
    from tvm.ir import IRModule

    from search.measure.local import PersistentRunner

    def applied(function: Any) -> Any:
        a, b = (te.placeholder((64, 64), name=name, dtype="float32") for name in "ab")
        c = te.compute((64, 64), lambda i, j: function(a[i, j]) + b[i, j], name="c")
        return IRModule({"main": te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")})

    for function, is_linked in ((tirx.exp, True), (tirx.sqrt, False)):
        runner = PersistentRunner(target, repeat=2, observer=heard, builder=builder)
        builder.is_in_turn, builder.compiles_in = True, runner.pool
        results = built(builder, target, applied(function))
        (good,) = run_of(runner, results)
        runner.close()
        assert len(good.run_secs) == 2
        assert Path(results[0].artifact_path).exists() == is_linked


def test_a_build_is_given_many_times_what_builds_take(builder: Any, target: Target, small_matmul: Any) -> None:
    before = builder.pool.timeout_secs
    built(builder, target, *[small_matmul] * 7)
    assert builder.pool.timeout_secs == before  # too few to tell
    built(builder, target, small_matmul)
    assert 4.0 <= builder.pool.timeout_secs <= before
    builder._build_secs = [0.01] * 20
    built(builder, target, small_matmul)
    assert builder.pool.timeout_secs == 4.0
    builder._build_secs = [60.0] * 20
    built(builder, target, small_matmul)
    assert builder.pool.timeout_secs == before  # no longer than what it was asked for


def test_a_worker_that_is_killed_is_followed_by_another(target: Target) -> None:
    import os
    import signal

    from search.measure import zygote
    from search.measure.local import PersistentRunner

    runner = PersistentRunner(target)
    first = runner.pool.submit(os.getpid).result()
    assert first != os.getpid()
    assert runner.pool.submit(os.getpid).result() == first
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ChildProcessError):
        runner.pool.submit(os.getpid).result()
    second = runner.pool.submit(os.getpid).result()
    assert second != first
    # So is the process that they are forks of.
    parent = zygote._ZYGOTE._process
    assert parent is not None
    parent.kill()
    parent.wait()
    other = PersistentRunner(target)
    assert other.pool.submit(os.getpid).result() not in (first, second)
    assert runner.pool.submit(os.getpid).result() == second  # which lives on
    other.close()
    runner.close()
    ended = time.monotonic() + 5.0
    while time.monotonic() < ended and Path(f"/proc/{second}").exists():
        time.sleep(0.01)
    assert not Path(f"/proc/{second}").exists()


@pytest.mark.parametrize("has_threads", [False, True])
def test_a_process_without_threads_forks_what_workers_are_forks_of(has_threads: bool) -> None:
    script = f"""
import os, threading
from search.measure import zygote
stop = threading.Event()
if {has_threads}:
    threading.Thread(target=stop.wait).start()
zygote.prepare()
made = zygote._ZYGOTE._process
assert (made is None) == {has_threads}
pool = zygote.ForkedPool(max_workers=1, timeout=30)
process = zygote._ZYGOTE._process
assert pool.submit(os.getppid).result() == process.pid
assert made in (None, process)
zygote._ZYGOTE.close()
assert not os.path.exists(f"/proc/{{process.pid}}")  # nor is it left as a zombie
stop.set()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_cores_are_shared_out() -> None:
    import os

    from search.measure.placement import place

    available = os.sched_getaffinity(0)
    assert not place(len(available)).is_apart  # none left to build on
    assert not place(len(available) // 2 + 1).is_apart  # fewer than it measures on
    if len(available) > 1:
        found = place(1)
        assert found.is_apart
        assert set(found.measuring) | set(found.building) <= available
        assert not set(found.measuring) & set(found.building)


def test_workers_stay_on_their_cores(target: Target) -> None:
    import os

    from search.measure.local import PersistentRunner

    core = min(os.sched_getaffinity(0))
    runner = PersistentRunner(target, cores=(core,))
    assert runner.pool.submit(os.sched_getaffinity, 0).result() == {core}
    runner.close()
