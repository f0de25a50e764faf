"""Measures a few chosen schedules next to each other, in rounds, so that drift hits all alike.

The figure that a search reports of its best is a minimum over noise and so too good; two searches are compared by
their winners measured again, interleaved.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.measure.device import Device, Timing
from search.measure.local import LocalCpu, LocalOptions
from search.measure.programs import program_of
from tunedb.errors import MeasurementError
from tunedb.metaschedule.replay import schedule
from tunedb.records import Module, Outcome, Target, Trace

_TIMING = Timing(repeat=1, min_repeat_ms=20)
_BUILD_TIMEOUT_SECS = 60.0


@dataclass(frozen=True, slots=True)
class Remeasured:
    """One schedule's run times, one figure a round."""

    trace: Trace
    run_secs: tuple[float, ...]

    @property
    def median_secs(self) -> float:
        """Median over the rounds, in seconds."""
        return statistics.median(self.run_secs)


def measure_side_by_side(
    module: Module, traces: Sequence[Trace], target: Target, rounds: int = 10, *, device: Device | None = None
) -> list[Remeasured]:
    """Builds the schedules once and runs them in turn.

    Args:
        module: The module that the traces were recorded with.
        traces: The traces of the schedules.
        target: The target that they are built for.
        rounds: How often each is run.
        device: The device that builds and runs them; None is this machine's CPU.

    Returns:
        The run times of each schedule, in the order of `traces`.

    Raises:
        MeasurementError: One of them cannot be built or run.
    """
    if device is None:
        with LocalCpu(target, LocalOptions(build_timeout_secs=_BUILD_TIMEOUT_SECS)) as local:
            return measure_side_by_side(module, traces, target, rounds, device=local)
    run_secs: list[list[float]] = [[] for _ in traces]
    numbers: list[int] = []
    try:
        for trace in traces:
            (build,) = device.build([program_of(schedule(module, trace).mod)], keep=True)
            numbers.append(build.number)
            _expect(build.outcome, build.error)
        for _ in range(rounds):
            for figures, number in zip(run_secs, numbers, strict=True):
                (measured,) = device.run([number], timing=_TIMING)
                _expect(measured.outcome, measured.error)
                figures.append(measured.run_secs[0])
    except Exception as error:
        raise MeasurementError(f"the winners could not be measured again: {error}") from error
    finally:
        device.release(numbers)
    return [Remeasured(trace, tuple(figures)) for trace, figures in zip(traces, run_secs, strict=True)]


def _expect(outcome: Outcome, error: str) -> None:
    if outcome is not Outcome.OK:
        raise MeasurementError(f"{outcome.value}: {error}")
