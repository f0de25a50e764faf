"""The run times of a program on a CPU, whatever else the machine does meanwhile.

Other programs make a run longer, never shorter, and most of the time they do nothing. So a run time is the least of
many short stretches of calls, and not the mean of a long one; what the thread waited for its core is no part of it.
Where something happens between calls (`search.measure.between`), each call is a stretch, and the median counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from search.measure.waiting import Waiting

_NAME = "tunedb.before_stretch"
_STRETCH_SECS = 1e-3
_CALLS = 7  # that a run time is the median of, where something happens between them
_MOST_WAITED = 0.9  # of a stretch: clocks differ


class Timer:
    """Times one program with its arguments.

    Args:
        module: A `tvm.runtime.Module`, built.
        device: TVM's device.
        arguments: Tensors.
        threads: That the program runs on. Of more than one, waiting is not known.
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
            return [statistics.median(one) for one in _parts(self._stretches(1, times * _CALLS), _CALLS)]
        found = []
        if self._call_secs is None:
            (self._call_secs,) = self._stretches(1, 1)
            if self._call_secs >= least_secs:
                found = [self._call_secs]
        number = max(1, round(_STRETCH_SECS / self._call_secs))
        each = max(1, math.ceil(least_secs / (number * self._call_secs)))
        left = times - len(found)
        return found + [min(one) for one in _parts(self._stretches(number, left * each), each)] if left else found

    def _stretches(self, number: int, stretches: int) -> list[float]:
        """Seconds of a call, for so many stretches of so many calls each."""
        import tvm

        waiting, waited = Waiting(), []

        def before(*_: object) -> None:
            until = waiting.secs()
            if self._between is not None:
                self._between()
                waited.append((until, waiting.secs()))
            else:
                waited.append((until, until))

        tvm.register_global_func(_NAME, before, override=True)
        timer = self._module.time_evaluator(
            self._module.entry_name, self._device, number=number, repeat=stretches, f_preproc=_NAME
        )
        try:
            found = [float(secs) for secs in timer(*self._arguments).results]
            ends = [until for until, _ in waited[1:]] + [waiting.secs()]
        finally:
            waiting.close()
        if self._threads > 1:
            return found
        lost = [end - begin for (_, begin), end in zip(waited, ends, strict=True)]
        return [
            secs - min(one / number, _MOST_WAITED * secs) for secs, one in zip(found, lost, strict=True)
        ]


def _parts(secs: Sequence[float], size: int) -> list[Sequence[float]]:
    return [secs[begin : begin + size] for begin in range(0, len(secs), size)]
