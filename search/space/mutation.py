"""New decisions from those of good candidates: neighbours, jumps and crossings. Nothing here knows a compiler.

What comes out need not be valid: replaying decides.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from search.space.decisions import Decisions, nearest_tile

Changed = dict[int, list[int] | int]


def varied(
    parent: Decisions, choices: Mapping[int, Sequence[int]], limits: Mapping[int, int], rng: np.random.Generator
) -> Changed:
    """A parent with one decision changed, now and then more.

    Args:
        parent: The decisions to change, by place.
        choices: Values that a decision which is a number may take, by place.
        limits: The largest innermost factor by place, of tiles.
        rng: The source of randomness.
    """
    child = copied(parent)
    places = [
        place
        for place, decided in parent.items()
        if (math.prod(decided) > 1 if isinstance(decided, list) else len(choices.get(place, ())) > 1)
    ]
    if not places:
        return child
    for _ in range(min(len(places), int(rng.geometric(0.6)))):
        place = places.pop(_below(len(places), rng))
        decided = child[place]
        if isinstance(decided, list):
            child[place] = moved(decided, limits.get(place, 0), rng)
        else:
            child[place] = _one_of([choice for choice in choices[place] if choice != decided], rng)
    return child


def crossed(one: Decisions, other: Decisions, rng: np.random.Generator) -> Changed:
    """Each decision from one of two parents of the same design space."""
    return copied({place: (one if rng.random() < 0.5 else other)[place] for place in one})


def neighbours(parent: Decisions, choices: Mapping[int, Sequence[int]], limits: Mapping[int, int]) -> Iterator[Changed]:
    """All that differ from a parent in one decision, by the smallest step: a tile by one prime factor that moves.

    Args:
        parent: The decisions to change, by place.
        choices: Values that a decision which is a number may take, by place.
        limits: The largest innermost factor by place, of tiles.
    """
    for place, decided in sorted(parent.items()):
        if not isinstance(decided, list):
            others: list[list[int] | int] = [choice for choice in choices.get(place, ()) if choice != decided]
        else:
            steps = permutations(range(len(decided)), 2)
            tiles = [
                _shifted(decided, source, target, prime)
                for source, target in steps
                for prime in prime_factors(decided[source])
            ]
            limit = limits.get(place, 0)
            others = [tile for tile in tiles if not limit or tile[-1] <= limit]
        for other in others:
            yield {**copied(parent), place: other}


def _shifted(factors: list[int], source: int, target: int, prime: int) -> list[int]:
    changed = list(factors)
    changed[source] //= prime
    changed[target] *= prime
    return changed


def moved(factors: list[int], max_innermost: int, rng: np.random.Generator) -> list[int]:
    """A tile with one of its prime factors, or several equal ones, moved from one level to another."""
    source = _one_of([level for level, factor in enumerate(factors) if factor > 1], rng)
    target = _one_of([level for level in range(len(factors)) if level != source], rng)
    prime = _one_of(prime_factors(factors[source]), rng)
    changed = list(factors)
    while changed[source] % prime == 0:
        changed[source] //= prime
        changed[target] *= prime
        if rng.random() < 0.5:
            break
    if max_innermost and changed[-1] > max_innermost:
        return nearest_tile(tuple(changed), math.prod(changed), max_innermost)
    return changed


def _below(limit: int, rng: np.random.Generator) -> int:
    """A number in [0, limit): numpy's own draw of one takes several times as long."""
    return int(rng.random() * limit)


def _one_of(values: Sequence[int], rng: np.random.Generator) -> int:
    return values[_below(len(values), rng)]


@functools.lru_cache(maxsize=4096)
def prime_factors(number: int) -> tuple[int, ...]:
    """The distinct prime factors, rising; none of 1."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            found.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1
    return (*found, number) if number > 1 else tuple(found)


def copied(decisions: Decisions) -> Changed:
    """Decisions that can be changed without changing those given."""
    return {place: list(decided) if isinstance(decided, list) else decided for place, decided in decisions.items()}
