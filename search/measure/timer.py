"""The run times of a program on a CPU, whatever else the machine does meanwhile.

Other programs make a run longer, never shorter, and most of the time they do nothing. So a run time is the least of
many short stretches of calls, and not the mean of a long one; stretches in which the thread waited for its core are
left out where others are left. Where something happens between calls (`search.measure.between`), each call is a
stretch, and the median counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from search.measure.waiting import Waiting

_NAME = "tunedb.before_stretch"
_STRETCH_SECS = 1e-3
_CALLS = 7  # that a run time is the median of, where something happens between them
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
        between: What happens between calls; None: nothing.
    """

    def __init__(
        self, module: Any, device: Any, arguments: Sequence[Any], between: Callable[[], None] | None = None
    ) -> None:
        self._module, self._device, self._arguments = module, device, arguments
        self._between = between
        self._call: _Stretch | None = None

    def run_secs(self, times: int, least_secs: float) -> list[float]:
        """So many run times in seconds.

        Args:
            times: How many.
            least_secs: What a run time's stretches take together, at least; of no account where something happens
                between calls.
        """
        if self._between is not None:
            return [statistics.median(one) for one in _parts(self._stretches(1, times * _CALLS), _CALLS)]
        found = []
        if self._call is None:
            (self._call,) = self._stretches(1, 1)
            if self._call.secs >= least_secs:
                found = [self._call.secs]
        call = self._call.secs
        number = max(1, round(_STRETCH_SECS / call))
        each = max(1, math.ceil(least_secs / (number * call)))
        left = times - len(found)
        return found + [min(one) for one in _parts(self._stretches(number, left * each), each)] if left else found

    def _stretches(self, number: int, stretches: int) -> list[_Stretch]:
        """So many stretches of so many calls each."""
        import tvm

        waiting = Waiting()
        begins, ends = [], []  # what the thread had waited by then

        def before(*_: object) -> None:
            ends.append(waiting.secs())
            if self._between is not None:
                self._between()
            begins.append(waiting.secs())

        tvm.register_global_func(_NAME, before, override=True)
        timer = self._module.time_evaluator(
            self._module.entry_name, self._device, number=number, repeat=stretches, f_preproc=_NAME
        )
        try:
            secs = [float(one) for one in timer(*self._arguments).results]
            ends.append(waiting.secs())
        finally:
            waiting.close()
        return [
            _Stretch(one, end - begin > _WAITED * one * number)
            for one, begin, end in zip(secs, begins, ends[1:], strict=True)
        ]


def _parts(stretches: Sequence[_Stretch], size: int) -> list[list[float]]:
    """Stretches of so many each, those that were disturbed left out where there are others."""
    found = []
    for begin in range(0, len(stretches), size):
        part = stretches[begin : begin + size]
        found.append([one.secs for one in part if not one.is_disturbed] or [one.secs for one in part])
    return found
