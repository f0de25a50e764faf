"""What runs in the child processes that build and measure; importable there by name.

A child that crashes or hangs takes one trial with it and no more: TVM's `PopenPoolExecutor` restarts it.
"""

from __future__ import annotations

import math
import os
import signal
import time
from typing import Any

from search.measure.arguments import allocated
from search.measure.between import Between, happening
from search.measure.cores import keep_threads_in_place
from search.measure.timer import Timer
from tunedb.metaschedule import intrinsics

_MOST_ELEMENTS = 16 << 20  # of arguments, for each run time to have its own: where they lie in memory tells on some
_compiled: dict[int, Any] = {}  # by number: the program that this process has compiled to run it itself


def start_worker(target_kind: str, target_keys: tuple[str, ...], num_threads: int, cores: tuple[int, ...]) -> None:
    """Prepares a fresh worker: light intrinsics, thread count, its cores, and deafness to the terminal's Ctrl-C.

    The parent hears Ctrl-C and ends its workers in order; a worker killed in mid-trial would be taken for a
    candidate that crashes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cores:
        os.sched_setaffinity(0, cores)
    keep_threads_in_place()
    os.environ["TVM_NUM_THREADS"] = str(num_threads)  # read by TVM's thread pool when it starts
    intrinsics.register_for(target_kind, target_keys)
    if target_kind == "cuda":
        from search.measure import nvrtc

        nvrtc.prepare()


def device_type(target_kind: str) -> str:
    """The kind of device that code for a kind of target runs on, as TVM's runtime names it."""
    return "cpu" if target_kind in ("llvm", "c") else target_kind


def ready() -> None:
    """Answers when the worker has started."""


def spin(secs: float) -> None:
    """Keeps the core busy."""
    end = time.monotonic() + secs
    while time.monotonic() < end:
        pass


def build(mod_json: str, target_json: str, path: str) -> float:
    """Compiles one candidate, given as JSON as its target is, to an archive at a path; returns the seconds it took."""
    from tvm.support.tar import tar

    started = time.monotonic()
    built_module(mod_json, target_json).export_library(path, fcompile=tar)
    return time.monotonic() - started


def build_here(mod_json: str, target_json: str, number: int) -> float:
    """Compiles one candidate just in time, for `run` in this process to find by its number.

    Args:
        mod_json: The module as JSON.
        target_json: The target as JSON.
        number: The candidate's.

    Returns:
        The seconds it took.
    """
    started = time.monotonic()
    _compiled.clear()
    module = built_module(mod_json, target_json)
    module.get_function(module.entry_name)  # machine code is made when a function is first asked for
    _compiled[number] = module
    return time.monotonic() - started


def build_both_here(mod_json: str, other_json: str, target_json: str) -> str:
    """Compiles two programs for the next task of this process, which compares them.

    Args:
        mod_json: The one module as JSON.
        other_json: The other as JSON.
        target_json: The target as JSON.

    Returns:
        Why the other cannot be built; "" when it can.
    """
    from tunedb.errors import last_line

    _compiled.clear()
    both = []
    for text, is_other in ((mod_json, False), (other_json, True)):
        try:
            module = built_module(text, target_json)
            module.get_function(module.entry_name)
        except Exception as error:
            if not is_other:
                raise
            return last_line(error)
        both.append(module)
    _compiled.update(enumerate(both))
    return ""


def built_here() -> list[Any]:
    """What this process compiled last, which is not kept longer."""
    found = list(_compiled.values())
    _compiled.clear()
    return found


def built_module(mod_json: str, target_json: str) -> Any:
    """Compiles a module, as MetaSchedule does it.

    Args:
        mod_json: The module as JSON.
        target_json: The target as JSON.

    Returns:
        The `tvm.runtime.Module`, not yet linked.
    """
    import json

    import tvm
    from tvm.driver import build
    from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock

    from tunedb.metaschedule.gpu_schedule import bound
    from tunedb.metaschedule.shared_memory import laid_out_apart
    from tunedb.metaschedule.stack import align_stack

    target = tvm.target.Target(json.loads(target_json))
    mod = RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(tvm.ir.load_json(mod_json))  # as MetaSchedule builds
    if target.kind.name == "llvm":
        return build(align_stack(mod), target=target)
    if target.kind.name == "cuda":
        mod = bound(mod, target)  # what has no schedule cannot be launched
    with laid_out_apart(mod):
        return build(mod, target=target)


def compiles(mod_json: str, target_json: str) -> str:
    """Why a module cannot be compiled; "" where it can, for a GPU to machine code where NVRTC is installed.

    Args:
        mod_json: The module as JSON.
        target_json: The target as JSON.
    """
    import json

    from search.measure import nvrtc
    from tunedb.errors import MeasurementError, last_line

    try:
        module = built_module(mod_json, target_json)
    except Exception as error:  # TVM raises its own type for each
        return last_line(error)
    fields = json.loads(target_json)
    if fields["kind"] != "cuda":
        return ""
    try:
        nvrtc.toolkit()
    except MeasurementError:
        return ""
    import tvm

    try:
        nvrtc.cubins_of(module, tvm.target.Target(fields))
    except MeasurementError as error:
        return str(error)
    return ""


def run(
    artifact: int | str,
    device_type: str,
    args_info: tuple[Any, ...],
    repeat: int,
    min_repeat_ms: int,
    stop_above_secs: float = float("inf"),
    flush_cache: bool = False,
    between: Between | None = None,
    weights: tuple[int, ...] = (),
) -> list[float]:
    """Measures one candidate.

    Args:
        artifact: The number of what `build_here` compiled last in this process, or the path of what `build` wrote.
        device_type: The kind of device that it runs on, as TVM's runtime names it.
        args_info: Kind, dtype and shape of each argument.
        repeat: How many run times are taken.
        min_repeat_ms: The least length of one of them.
        stop_above_secs: The run time above which one is enough.
        flush_cache: Whether each run is one call that begins with cold caches.
        between: What happens between calls; a run time is then the median of several. None: nothing.
        weights: Places of the arguments that are constants of a network.

    Returns:
        `repeat` run times in seconds, each with arguments at another place in memory; only the first when it is above
        `stop_above_secs`.
    """
    import tvm
    from tvm.s_tir.meta_schedule.runner.config import EvaluatorConfig
    from tvm.s_tir.meta_schedule.runner.local_runner import default_run_evaluator

    module = _compiled.pop(artifact) if isinstance(artifact, int) else tvm.runtime.load_module(artifact)
    device = tvm.runtime.device(device_type, 0)
    elements = sum(math.prod(shape) for _, _, shape in args_info)
    places = repeat if elements * repeat <= _MOST_ELEMENTS else 1
    every = allocated(args_info, device, places)
    timers = []
    if not flush_cache:
        threads = int(os.environ.get("TVM_NUM_THREADS", "1"))
        for arguments in every:
            before = None if between is None else happening(between, arguments, weights)
            timers.append(Timer(module, device, arguments, threads, before))

    def timed(begin: int, end: int) -> list[float]:
        if flush_cache:
            config = EvaluatorConfig(number=1, repeat=end - begin, min_repeat_ms=0, enable_cpu_cache_flush=True)
            return [float(secs) for secs in default_run_evaluator(module, device, config, every[:1])]
        if places == 1:
            return timers[0].run_secs(end - begin, min_repeat_ms / 1e3)
        return [secs for place in range(begin, end) for secs in timers[place].run_secs(1, min_repeat_ms / 1e3)]

    first = timed(0, 1)
    return first if repeat == 1 or first[0] > stop_above_secs else first + timed(1, repeat)
