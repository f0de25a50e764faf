"""The run times of a program on a CPU, whatever else the machine does meanwhile.

Other programs make a run longer, never shorter, and most of the time they do nothing. So a run time is the least of
many short stretches of calls, and not the mean of a long one. Stretches in which the thread waited for its core are
left out; where there are no others, even after a while, the time counts that it had the core. Where something happens
between calls (`search.measure.between`), each call is a stretch, and the median counts.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from search.measure.waiting import Waiting

_NAME = "tunedb.before_stretch"
_STRETCH_SECS = 1e-3
_CALLS = 7  # that a run time is the median of, where something happens between them
_TRIES, _MOST_SECS = 4, 0.5  # how often, and for how long, one is waited for in which it was not
_WAITED = 0.01  # of a stretch, from which on it was disturbed


@dataclass(frozen=True, slots=True)
class _Stretch:
    secs: float  # of one call
    is_disturbed: bool


class Timer:
    """Times one program with its arguments.

    Args:
        module: A `tvm.runtime.Module`, built.
        device: TVM's device.
        arguments: Tensors.
        threads: That the program runs on; of more than one, it is not known how long they had their cores.
        between: What happens between calls; None: nothing.
    """

    def __init__(
        self,
        module: Any,
        device: Any,
        arguments: Sequence[Any],
        threads: int = 1,
        between: Callable[[], None] | None = None,
    ) -> None:
        self._module, self._device, self._arguments = module, device, arguments
        self._threads, self._between = threads, between
        self._call_secs: float | None = None

    def run_secs(self, times: int, least_secs: float) -> list[float]:
        """So many run times in seconds.

        Args:
            times: How many.
            least_secs: What a run time's stretches take together, at least; of no account where something happens
                between calls.
        """
        if self._between is not None:
            return [statistics.median(self._undisturbed(1, _CALLS)) for _ in range(times)]
        found = []
        if self._call_secs is None:
            self._call_secs = min(self._undisturbed(1, 1))
            if self._call_secs >= least_secs:
                found = [self._call_secs]
        number = max(1, round(_STRETCH_SECS / self._call_secs))
        each = max(1, math.ceil(least_secs / (number * self._call_secs)))
        return found + [min(self._undisturbed(number, each)) for _ in range(times - len(found))]

    def _undisturbed(self, number: int, stretches: int) -> list[float]:
        """Seconds of a call, of those stretches that were not disturbed; tried again where there are none."""
        found: list[_Stretch] = []
        end = time.monotonic() + _MOST_SECS
        for _ in range(_TRIES):
            found += self._stretches(number, stretches)
            clean = [one.secs for one in found if not one.is_disturbed]
            if clean or time.monotonic() > end:
                break
        return clean or [one.secs for one in found]

    def _stretches(self, number: int, stretches: int) -> list[_Stretch]:
        """So many stretches of so many calls each."""
        import tvm

        waiting = Waiting()
        begins, ends = [], []  # what the thread had waited by then, and how long it had run

        def before(*_: object) -> None:
            ends.append((waiting.secs(), time.thread_time()))
            if self._between is not None:
                self._between()
            begins.append((waiting.secs(), time.thread_time()))

        tvm.register_global_func(_NAME, before, override=True)
        timer = self._module.time_evaluator(
            self._module.entry_name, self._device, number=number, repeat=stretches, f_preproc=_NAME
        )
        try:
            secs = [float(one) for one in timer(*self._arguments).results]
            ends.append((waiting.secs(), time.thread_time()))
        finally:
            waiting.close()
        found = []
        for wall, begin, end in zip(secs, begins, ends[1:], strict=True):
            waited, ran = end[0] - begin[0], end[1] - begin[1]
            is_disturbed = waited > _WAITED * wall * number
            found.append(
                _Stretch(min(wall, ran / number) if is_disturbed and self._threads == 1 else wall, is_disturbed)
            )
        return found
