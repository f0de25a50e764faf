"""Runs the libraries of one network's arms in turn, on the same inputs, in one process: the only fair comparison.

It is what a child does, so that a library that crashes costs its arm and not the bench.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tunedb.errors import ChildDiedError, last_line
from tunedb.processes import Child

ROUNDS = 15
_SEED = 1  # of the inputs
_LONGEST_SECS = 1800.0  # until the next library has its turn


class Libraries(msgspec.Struct, frozen=True):
    """What is to be run."""

    paths: tuple[str, ...]
    rounds: int
    num_threads: int


class Turn(msgspec.Struct, frozen=True):
    """That a library has its first turn, could not be run, or how long all runs took."""

    number: int = -1  # of the library, from 0
    error: str = ""
    secs: tuple[tuple[float, ...], ...] = ()  # of each library that could be run, in their order: each round's


def run_in_turn(requests: Iterator[Libraries]) -> Iterator[Turn]:
    """Runs libraries, one after the other, so many rounds; the first round warms up and does not count."""
    for request in requests:
        os.environ["TVM_NUM_THREADS"] = str(request.num_threads)  # the runtime reads it once
        yield from _turns(request)


def _turns(request: Libraries) -> Iterator[Turn]:
    from search.networks.arrays import random_arrays
    from search.networks.runtime import Library
    from search.networks.turns import in_turn

    runs: list[tuple[Any, Any]] = []
    for number, path in enumerate(request.paths):
        yield Turn(number)
        try:
            library = Library(path)
            tensors = library.prepared(random_arrays(library.manifest.inputs, _SEED))
            library.call(tensors)
        except Exception as error:
            yield Turn(number, error=last_line(error))
            continue
        runs.append((library, tensors))
    calls = {str(place): partial(library.call, tensors) for place, (library, tensors) in enumerate(runs)}
    yield Turn(secs=tuple(map(tuple, in_turn(calls, request.rounds).values())))


def time_libraries(
    paths: Sequence[Path], num_threads: int, rounds: int = ROUNDS
) -> tuple[dict[int, list[float]], dict[int, str]]:
    """Times libraries side by side.

    Args:
        paths: The libraries, of one network.
        num_threads: On how many cores they run.
        rounds: How often each runs, after once to warm up.

    Returns:
        The seconds of each round by the library's number, and why the others have none.
    """
    errors: dict[int, str] = {}
    while left := [number for number in range(len(paths)) if number not in errors]:
        at = left[0]
        child = Child(run_in_turn, Libraries, Turn, is_silent=True)
        try:
            child.send(Libraries(tuple(str(paths[number]) for number in left), rounds, num_threads), _LONGEST_SECS)
            while True:
                turn = child.receive(_LONGEST_SECS)
                if turn.error:
                    errors[left[turn.number]] = turn.error
                elif turn.number >= 0:
                    at = left[turn.number]
                else:
                    runs = [number for number in left if number not in errors]
                    return {number: list(mine) for number, mine in zip(runs, turn.secs, strict=True)}, errors
        except ChildDiedError as error:
            errors[at] = f"its library cannot be run: {error}"
        finally:
            child.close()
    return {}, errors


def compared(secs: dict[int, list[float]]) -> dict[int, tuple[float, float]]:
    """The median seconds of each library, and the median over rounds of its ratio to the first."""
    if not secs:
        return {}
    first = secs[min(secs)]
    return {
        number: (statistics.median(mine), statistics.median(a / b for a, b in zip(mine, first, strict=True)))
        for number, mine in secs.items()
    }
