"""Runs things that are to be compared in turn, so that a slower machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


def in_turn(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each run, all in turn; the first round warms up and does not count."""
    secs: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if number:
                secs[name].append(time.perf_counter() - started)
    return secs
