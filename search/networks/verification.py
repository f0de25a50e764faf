"""No schedule enters a library before it was run against the untuned program, and none that is slower than that.

A schedule that fails, whatever the reason, costs the network nothing but that schedule: the next is tried, and TVM's
own stands behind all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from search.measure.correctness import allowed_deviation
from search.measure.device import Comparison, Device, Program, Timing
from search.measure.programs import comparable_program, program_of, scheduled_program
from search.networks.plan import Choice, Origin, Schedule
from search.task import Task
from tunedb.errors import last_line
from tunedb.records import Outcome, Trace, Workload

_SEED = 0
_MOST_SLOW = 2  # schedules that are slower than the untuned program: the next are much like them
_BRIEF = Timing(repeat=3, min_repeat_ms=1)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A schedule that does not enter the library."""

    why: str
    is_slow: bool = False  # the untuned program is faster


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """What a program of a network is compiled with."""

    task: Task
    workload: Workload
    origin: Origin
    trace: Trace | None = None  # None: TVM's own
    record_id: str = ""
    comparison: Comparison | None = None  # with the untuned program; None where nothing was run
    note: str = ""  # why it is not another, or was not verified
    refused: tuple[str, ...] = ()  # what was wrong with those that were tried before

    @property
    def is_verified(self) -> bool:
        """Whether it computes what the untuned program does, as far as arguments tell."""
        return self.comparison is not None and self.comparison.magnitude > 0


def settle(
    choices: Sequence[Choice],
    device: Device,
    *,
    on_task: Callable[[int, int, Task], None] | None = None,
) -> list[Settled]:
    """Tries the schedules of programs until one of each can be trusted.

    Args:
        choices: The programs with their schedules.
        device: What builds and runs them.
        on_task: Called with the number of tasks that are done, of all, and the next.

    Returns:
        What each is compiled with, in their order.
    """
    settled = []
    for place, choice in enumerate(choices):
        if on_task is not None:
            on_task(place, len(choices), choice.task)
        settled.append(_settled(choice, device))
    return settled


def _settled(choice: Choice, device: Device) -> Settled:
    if not choice.schedules:
        return Settled(choice.task, choice.workload, Origin.UNTUNED, note="nothing is known of it")
    untuned = program_of(choice.task.mod)
    (build,) = device.build([untuned], keep=True)
    try:
        if build.outcome is not Outcome.OK:
            return _without_reference(choice, build.error)
        refused: list[str] = []
        num_slow = 0
        for schedule in choice.schedules:
            found = _tried(choice, schedule, untuned, build.number, device)
            if isinstance(found, Settled):
                return _told(found, refused)
            refused.append(found.why)
            num_slow += found.is_slow
            if num_slow == _MOST_SLOW:
                break
        is_slow = num_slow == len(refused)
        note = "the untuned program is faster than what was tried" if is_slow else "no schedule of it can be trusted"
        return _told(Settled(choice.task, choice.workload, Origin.UNTUNED, note=note), refused)
    finally:
        device.release([build.number])


def _told(settled: Settled, refused: Sequence[str]) -> Settled:
    return replace(settled, refused=tuple(refused))


def _tried(choice: Choice, schedule: Schedule, untuned: Program, reference: int, device: Device) -> Settled | _Refused:
    """The program with a schedule; or why not."""
    name = schedule.record_id[:12] or schedule.origin.value
    try:
        program = comparable_program(choice.task.mod, schedule.trace)
    except Exception as error:  # a record may be of another release's module
        return _Refused(f"{name}: {last_line(error)}")
    (build,) = device.build([program], keep=True)
    try:
        if build.outcome is not Outcome.OK:
            return _Refused(f"{name}: {build.outcome.value}: {build.error}")
        found = device.compare_outputs(build.number, reference, _SEED)
    except Exception as error:  # it crashes, or never ends
        return _Refused(f"{name}: {last_line(error)}")
    finally:
        device.release([build.number])
    allowed = allowed_deviation(untuned)
    if not found.deviation <= allowed:
        return _Refused(
            f"{name}: WRONG NUMBERS: deviates from the untuned program by {found.deviation:.0e} "
            f"with arguments {found.arguments}"
        )
    if found.secs > found.untuned_secs and program.packs:  # it is not to be blamed for that
        found = replace(found, secs=_secs_without_packing(choice.task, schedule.trace, device))
    if found.secs > found.untuned_secs:
        times = found.secs / found.untuned_secs
        return _Refused(f"{name}: takes {times:.2f} times what the untuned program does", is_slow=True)
    note = "" if found.magnitude > 0 else "not verified: all that it computes of the arguments tried is 0"
    return Settled(
        choice.task, choice.workload, schedule.origin, schedule.trace, schedule.record_id, comparison=found, note=note
    )


def _secs_without_packing(task: Task, trace: Trace, device: Device) -> float:
    """What a program takes once its constants are packed; infinite when it fails."""
    (build,) = device.build([scheduled_program(task.mod, trace)], keep=True)
    try:
        (measured,) = device.run([build.number], timing=_BRIEF)
        return min(measured.run_secs, default=float("inf"))
    finally:
        device.release([build.number])


def _without_reference(choice: Choice, why: str) -> Settled:
    return Settled(
        choice.task, choice.workload, Origin.UNTUNED, note=f"the untuned program cannot be built to compare with: {why}"
    )
