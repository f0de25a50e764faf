"""Runs things that are to be compared in turn, so that a slower machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

REST_SECS = 0.3
"""After which the threads of a runtime sleep: OpenMP's spin for 0.2 s after a call, in wait for the next one."""


def in_turn(runs: Mapping[str, Callable[[], Any]], rounds: int, *, rest_secs: float = 0.0) -> dict[str, list[float]]:
    """The seconds of each run, all in turn; the first round warms up and does not count.

    Args:
        runs: By what they are called.
        rounds: That count.
        rest_secs: Waited before each, with a call after it that does not count. Without it, runtimes of several
            threads take the cores from each other.
    """
    secs: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            if rest_secs:
                time.sleep(rest_secs)
                run()
            started = time.perf_counter()
            run()
            if number:
                secs[name].append(time.perf_counter() - started)
    return secs
