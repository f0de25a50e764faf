"""What can be said of schedules where nothing runs them: whether they compile, to machine code where NVRTC is at hand.

A network for a GPU can be compiled on a machine without one. Its programs get the schedules that the store has, or that
are predicted; one that does not compile gives way to the next, and TVM's own stands behind all. What none of this tells
is whether the numbers are right, and how fast they come.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from search.measure import nvrtc, workers
from search.measure.programs import program_of, scheduled_program
from search.measure.zygote import ForkedPool
from search.networks.manifest import Verification
from search.networks.network import Network
from search.networks.plan import Choice, Origin, Schedule
from search.networks.reference import tolerance_of
from search.networks.verification import Settled
from search.task import Task
from tunedb.errors import MeasurementError, last_line
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

UNRUN = "not verified: nothing was run, as this machine has no device for the target"
_TIMEOUT_SECS = 120.0  # of one program: NVRTC takes seconds for each
_MOST_TRIED = 3  # schedules of a program


def settle_unrun(
    choices: Sequence[Choice], target: Target, *, on_task: Callable[[int, int, Task], None] | None = None
) -> list[Settled]:
    """Takes the first schedule of each program that compiles.

    Args:
        choices: The programs with their schedules.
        target: What they are compiled for.
        on_task: Called with the number of tasks that are done, of all, and the next.

    Returns:
        What each is compiled with, in their order; a note says of each that it was not run.
    """
    pool = ForkedPool(
        max_workers=len(os.sched_getaffinity(0)),
        timeout=_TIMEOUT_SECS,
        initializer=workers.start_worker,
        initargs=(target.kind, target.keys, 1, ()),
    )
    try:
        begun = [_first(choice, target, pool) for choice in choices]  # of all at once: each takes seconds
        settled = []
        for place, (choice, first) in enumerate(zip(choices, begun, strict=True)):
            if on_task is not None:
                on_task(place, len(choices), choice.task)
            settled.append(_settled(choice, first, target, pool))
        return settled
    finally:
        pool.shutdown(wait=False)


def not_run(executable: Any, target: Target, network: Network) -> Verification:
    """What is known of a whole library that nothing runs.

    Args:
        executable: What `search.networks.building.build` made.
        target: What it was built for.
        network: What it was built of.
    """
    allowed = tolerance_of(network)
    if target.kind != "cuda":
        return Verification("", allowed, note=UNRUN)
    try:
        nvrtc.toolkit()
    except MeasurementError as error:
        return Verification("", allowed, note=f"{UNRUN}; its kernels were not compiled: {error}")
    try:
        made = nvrtc.cubins_of(executable.mod, target_to_tvm(target))
    except MeasurementError as error:
        return Verification("", allowed, note=f"{UNRUN}; INVALID: {error}")
    size = sum(map(len, made))
    return Verification("", allowed, note=f"{UNRUN}; its kernels compile, to {size} bytes of machine code")


def _first(choice: Choice, target: Target, pool: ForkedPool) -> Future[str]:
    return _begun(choice, choice.schedules[0] if choice.schedules else None, target, pool)


def _begun(choice: Choice, schedule: Schedule | None, target: Target, pool: ForkedPool) -> Future[str]:
    """Begins to compile a program; what comes of it is why it cannot be compiled, or ""."""
    from tvm.ir import save_json

    try:
        mod = choice.task.mod
        program = program_of(mod) if schedule is None else scheduled_program(mod, schedule.trace)
    except Exception as error:  # a record may be of another release's module
        failed: Future[str] = Future()
        failed.set_result(last_line(error))
        return failed
    return pool.submit_before(_TIMEOUT_SECS, workers.compiles, save_json(program.mod), str(target_to_tvm(target)))


def _settled(choice: Choice, first: Future[str], target: Target, pool: ForkedPool) -> Settled:
    refused: list[str] = []
    pending = first
    for number, schedule in enumerate(choice.schedules[:_MOST_TRIED]):
        problem = _problem(pending if number == 0 else _begun(choice, schedule, target, pool))
        if not problem:
            return Settled(
                choice.task,
                choice.workload,
                schedule.origin,
                schedule.trace,
                schedule.record_id,
                note=UNRUN,
                refused=tuple(refused),
            )
        refused.append(f"{schedule.record_id[:12] or schedule.origin.value}: {problem}")
    problem = _problem(_begun(choice, None, target, pool) if choice.schedules else first)
    note = f"INVALID: TVM's own schedule does not compile: {problem}" if problem else UNRUN
    return Settled(choice.task, choice.workload, Origin.UNTUNED, note=note, refused=tuple(refused))


def _problem(pending: Future[str]) -> str:
    try:
        return pending.result()
    except TimeoutError:
        return f"it takes longer than {_TIMEOUT_SECS:g} s to compile"
    except Exception as error:  # whatever the program did to the compiler
        return last_line(error)
