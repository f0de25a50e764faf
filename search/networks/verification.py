"""No schedule enters a library before it was run against the untuned program, and none that is slower than that.

A schedule that fails, whatever the reason, costs the network nothing but that schedule: the next is tried, and TVM's
own stands behind all. What was found of a schedule is stored: it need not be built again, neither to be refused nor to
be used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from search.measure.correctness import allowed_deviation
from search.measure.device import Comparison, Device, NoReferenceError, Program, Timing
from search.measure.programs import comparable_program, program_of, scheduled_program
from search.measure.verdicts import Verdicts, comparison_of
from search.networks.plan import Choice, Origin, Schedule
from search.task import Task
from tunedb.errors import BadInputError, last_line
from tunedb.records import Trace, Workload

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
    earlier: str = ""  # the day on which it was compared, where that was not now
    measured_for: str = ""  # the target whose record stands in, for people

    @property
    def is_verified(self) -> bool:
        """Whether it computes what the untuned program does, as far as arguments tell."""
        return self.comparison is not None and self.comparison.magnitude > 0


def settle(
    choices: Sequence[Choice],
    device: Device,
    verdicts: Verdicts | None = None,
    *,
    on_task: Callable[[int, int, Task], None] | None = None,
) -> list[Settled]:
    """Tries the schedules of programs until one of each can be trusted.

    Args:
        choices: The programs with their schedules.
        device: What builds and runs them.
        verdicts: What is known of them, and is told what is found; None: nothing.
        on_task: Called with the number of tasks that are done, of all, and the next.

    Returns:
        What each is compiled with, in their order.
    """
    settled = []
    for place, choice in enumerate(choices):
        if on_task is not None:
            on_task(place, len(choices), choice.task)
        settled.append(_settled(choice, device, verdicts))
    return settled


def _settled(choice: Choice, device: Device, verdicts: Verdicts | None) -> Settled:
    if not choice.schedules:
        return Settled(choice.task, choice.workload, Origin.UNTUNED, note="nothing is known of it")
    if device.cannot_run:
        return _unrun(choice, device)
    untuned = program_of(choice.task.mod)
    refused: list[str] = []
    num_slow = 0
    for schedule in choice.schedules:
        try:
            found = _known(choice, schedule, verdicts) or _tried(choice, schedule, untuned, device, verdicts)
        except NoReferenceError as error:
            return _told(_without_reference(choice, last_line(error)), refused)
        if isinstance(found, Settled):
            return _told(found, refused)
        refused.append(found.why)
        num_slow += found.is_slow
        if num_slow == _MOST_SLOW:
            break
    is_slow = num_slow == len(refused)
    note = "the untuned program is faster than what was tried" if is_slow else "no schedule of it can be trusted"
    return _told(Settled(choice.task, choice.workload, Origin.UNTUNED, note=note), refused)


def _unrun(choice: Choice, device: Device) -> Settled:
    """The first schedule that can be built, where nothing can be run."""
    refused: list[str] = []
    for schedule in choice.schedules:
        try:
            (build,) = device.build([scheduled_program(choice.task.mod, schedule.trace)], keep=True)
            device.release([build.number])
            problem = build.error
        except BadInputError as error:  # a record may be of another release's module
            problem = last_line(error)
        if not problem:
            found = Settled(
                choice.task,
                choice.workload,
                schedule.origin,
                schedule.trace,
                schedule.record_id,
                note="not verified: its code cannot be run here",
                measured_for=schedule.measured_for,
            )
            return _told(found, refused)
        refused.append(f"{_name(schedule)}: {problem}")
    return _told(Settled(choice.task, choice.workload, Origin.UNTUNED, note="no schedule of it can be built"), refused)


def _told(settled: Settled, refused: Sequence[str]) -> Settled:
    return replace(settled, refused=tuple(refused))


def _known(choice: Choice, schedule: Schedule, verdicts: Verdicts | None) -> Settled | _Refused | None:
    """The program with a schedule that was compared earlier, or why not; None where that is not known."""
    verdict = verdicts.known(choice.workload.workload_id, schedule.trace) if verdicts is not None else None
    if verdict is None:
        return None
    day = f"{verdict.found_at:%Y-%m-%d}"
    return _judged(choice, schedule, comparison_of(verdict), verdict.allowed_deviation, day)


def _tried(
    choice: Choice, schedule: Schedule, untuned: Program, device: Device, verdicts: Verdicts | None
) -> Settled | _Refused:
    """The program with a schedule; or why not.

    Raises:
        NoReferenceError: The untuned program cannot be built.
    """
    name = _name(schedule)
    try:
        program = comparable_program(choice.task.mod, schedule.trace)
        found = device.compare(program, untuned, _SEED)
    except NoReferenceError:
        raise
    except Exception as error:  # a record may be of another release's module; a program may crash, or never end
        return _Refused(f"{name}: {last_line(error)}")
    allowed = allowed_deviation(untuned)
    if found.deviation <= allowed and found.secs > found.untuned_secs and program.packs:  # it is not to be blamed
        found = replace(found, secs=_secs_without_packing(choice.task, schedule.trace, device))
    if verdicts is not None:
        verdicts.keep(choice.workload.workload_id, schedule.trace, found, allowed)
    return _judged(choice, schedule, found, allowed)


def _judged(
    choice: Choice, schedule: Schedule, found: Comparison, allowed: float, earlier: str = ""
) -> Settled | _Refused:
    """What a comparison says of a schedule.

    Args:
        choice: The program.
        schedule: Its schedule.
        found: How it compares with the untuned program.
        allowed: The deviation that is allowed.
        earlier: The day on which that was found; "" for now.
    """
    name, when = _name(schedule), f", found on {earlier}" if earlier else ""
    if not found.deviation <= allowed:
        return _Refused(
            f"{name}: WRONG NUMBERS: deviates from the untuned program by {found.deviation:.0e} "
            f"with arguments {found.arguments}{when}"
        )
    if found.secs > found.untuned_secs:
        times = found.secs / found.untuned_secs
        return _Refused(f"{name}: takes {times:.2f} times what the untuned program does{when}", is_slow=True)
    note = f"verified earlier, on {earlier}" if earlier else ""
    if not found.magnitude > 0:
        note = "not verified: all that it computes of the arguments tried is 0"
    return Settled(
        choice.task,
        choice.workload,
        schedule.origin,
        schedule.trace,
        schedule.record_id,
        comparison=found,
        note=note,
        earlier=earlier,
        measured_for=schedule.measured_for,
    )


def _name(schedule: Schedule) -> str:
    return schedule.record_id[:12] or schedule.origin.value


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
