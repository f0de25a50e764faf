"""Tiles that a GPU can run: blocks of threads within its limits of threads, virtual threads and shared memory.

TVM draws tiles blindly, and its VerifyGPUCode refuses nearly all of a matrix product's or a convolution's. What it
refuses follows from the tiles' factors, so that tiles are drawn, and changes of tiles are looked at, before anything is
replayed. `search.space.tiling` finds out what a design space's tiles mean; here are numbers alone, and no compiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Tiles = Mapping[int, IntArray]  # by place: factors [n, levels] of n candidates, the outermost first
Level = tuple[int, int]  # a tile's place and one of its levels

_DRAWN = 4096  # at once
_MOST_DRAWS = 24
_MOST_VTHREADS = 8  # that VerifyGPUCode allows


@dataclass(frozen=True, slots=True)
class Limits:
    """What a block of threads may have."""

    threads: int
    shared_bytes: int
    vthreads: int = _MOST_VTHREADS


@dataclass(frozen=True, slots=True)
class Tile:
    """An axis that is split."""

    place: int  # of its instruction
    extent: int
    num_levels: int
    max_innermost: int = 0  # 0: no limit
    inner: tuple[int, ...] = ()  # levels that one block of threads works on at a time


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of what is kept in shared memory: an affine index of the axes."""

    steps: tuple[tuple[int, int], ...]  # a tile's place, and how far its next element lies
    least: int  # elements of the smallest tile
    largest: int  # elements of all


@dataclass(frozen=True, slots=True)
class Shared:
    """A buffer in shared memory, filled anew for each step along the outermost reduction."""

    dimensions: tuple[Dimension, ...]
    item_bytes: int
    alignment: tuple[int, int] | None = None  # rows are padded to such a remainder: (factor, remainder)
    parts: tuple[Level, ...] = ()  # levels that share its place, one after the other

    def num_bytes(self, tiles: Tiles, tiling: Tiling, copies: int = 1) -> IntArray:
        """Bytes [n] that it takes."""
        lengths = []
        for dimension in self.dimensions:
            length = np.asarray(dimension.least, dtype=np.int64)
            for place, step in dimension.steps:
                length = length + step * (tiling.inner_extent(tiles, place) - 1)
            lengths.append(np.minimum(length, dimension.largest))
        row = np.asarray(lengths[-1], dtype=np.int64)
        if self.alignment is not None and len(lengths) > 1:
            factor, remainder = self.alignment
            row = row + (remainder - row) % factor
        total = np.asarray(row * self.item_bytes * copies, dtype=np.int64)
        for length in lengths[:-1]:
            total = total * length
        return np.asarray(total // product_of(tiles, self.parts), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Tiling:
    """What the tiles of one block of a program mean for its threads and its shared memory."""

    tiles: tuple[Tile, ...]
    threads: tuple[Level, ...]
    vthreads: tuple[Level, ...] = ()
    threads_of_each: int = 1  # a warp where tensor cores work
    least_threads: int = 1
    most_threads: int = 1 << 30
    shared: tuple[Shared, ...] = ()
    copies: int = 1  # of what is read: stages of a pipeline that are under way at once
    choices: tuple[tuple[int, tuple[int, ...]], ...] = ()  # places of choices, and those of each that can be taken
    pipelined: tuple[Level, ...] = ()  # of the loop that is one, which must not be a single step

    def inner_extent(self, tiles: Tiles, place: int) -> IntArray:
        """Elements [n] of an axis that one block of threads works on at a time."""
        tile = next(tile for tile in self.tiles if tile.place == place)
        return product_of(tiles, [(place, level) for level in tile.inner])

    def fits(self, tiles: Tiles, limits: Limits) -> npt.NDArray[np.bool_]:
        """Which [n] of n candidates a GPU can run.

        Args:
            tiles: Factors [n, levels] of each tile, by its place.
            limits: The GPU's.
        """
        threads = self.threads_of_each * product_of(tiles, self.threads)
        fitting = (threads >= self.least_threads) & (threads <= min(self.most_threads, limits.threads))
        fitting &= product_of(tiles, self.vthreads) <= limits.vthreads
        total = np.zeros_like(threads)
        for buffer in self.shared:
            total = total + buffer.num_bytes(tiles, self, 1 if buffer.parts else self.copies)
        fitting &= total <= limits.shared_bytes
        if self.pipelined:
            fitting &= product_of(tiles, self.pipelined) > 1
        for tile in self.tiles:
            if tile.max_innermost:
                fitting &= tiles[tile.place][:, -1] <= tile.max_innermost
        return np.asarray(fitting, dtype=np.bool_)

    def allows(self, decisions: Mapping[int, list[int] | int], limits: Limits) -> bool:
        """Whether a GPU can run what has these decisions, by their places.

        Args:
            decisions: All of the design space's.
            limits: The GPU's.
        """
        tiles = {tile.place: np.asarray([decisions[tile.place]], dtype=np.int64) for tile in self.tiles}
        if not bool(self.fits(tiles, limits)[0]):
            return False
        return all(decisions[place] in allowed for place, allowed in self.choices if allowed)

    def draw(self, number: int, limits: Limits, rng: np.random.Generator) -> list[dict[int, list[int] | int]]:
        """Up to so many random decisions that fit; fewer, or none, where few do.

        Args:
            number: How many.
            limits: The GPU's.
            rng: The source of randomness.
        """
        found: list[dict[int, list[int] | int]] = []
        for _ in range(_MOST_DRAWS):
            tiles = {tile.place: _random_factors(tile, _DRAWN, rng) for tile in self.tiles}
            for row in np.flatnonzero(self.fits(tiles, limits))[: number - len(found)]:
                drawn: dict[int, list[int] | int] = {
                    place: [int(one) for one in factors[row]] for place, factors in tiles.items()
                }
                drawn.update({place: int(rng.choice(allowed)) for place, allowed in self.choices if allowed})
                found.append(drawn)
            if len(found) == number:
                break
        return found


def product_of(tiles: Tiles, levels: Sequence[Level]) -> IntArray:
    """Products [n] of factors of n candidates."""
    number = len(next(iter(tiles.values())))
    product = np.ones(number, dtype=np.int64)
    for place, level in levels:
        product = product * tiles[place][:, level]
    return product


def _random_factors(tile: Tile, number: int, rng: np.random.Generator) -> IntArray:
    """Factors [number, levels] of a tile: each prime factor of its extent goes to a level at random."""
    factors = np.ones((number, tile.num_levels), dtype=np.int64)
    rows = np.arange(number)
    for prime in _primes(tile.extent):
        factors[rows, rng.integers(tile.num_levels, size=number)] *= prime
    return factors


def _primes(number: int) -> list[int]:
    """The prime factors with their multiplicity, rising."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return [*found, number] if number > 1 else found
