"""What happens between two calls of a program that is timed: nothing, or what a network does meanwhile.

A kernel that is called over and over finds all that it needs in the innermost caches. In a network other programs run
before it is called again: they read weights of their own, and write its inputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MOST_BYTES = 64 << 20  # read between two calls: more than a core's share of any cache


@dataclass(frozen=True, slots=True)
class Between:
    """What happens between two calls, each of which is then timed by itself."""

    read_bytes: int  # by other programs, which drive what the program needs out of the caches; 64 MiB at most count
    writes_inputs: bool = True  # whether the inputs that are no weights are written last, as by the program before
    had_output: bool = True  # with it, whether the output's memory was another program's a little earlier

    @property
    def caches(self) -> str:
        """The word for it among the conditions of a measurement."""
        return "network" if self.writes_inputs else "cold"


def happening(between: Between, arguments: Sequence[Any], weights: Sequence[int]) -> Callable[[], None]:
    """What happens before each call of a program with some arguments, as a function.

    Args:
        between: What happens.
        arguments: Tensors of TVM on the CPU; the last is written by the program.
        weights: Places of the arguments that no program writes.
    """
    import numpy as np

    inputs = [one for place, one in enumerate(arguments[:-1]) if place not in weights]
    if between.had_output:
        inputs.insert(0, arguments[-1])
    views = [_words(one) for one in inputs] if between.writes_inputs else []
    other = _other_programs()[: min(between.read_bytes, _MOST_BYTES) // 8]

    def happens() -> None:
        other.sum()
        for view in views:
            np.bitwise_or(view, 0, out=view)  # written as it was

    return happens


@functools.cache
def _other_programs() -> npt.NDArray[np.uint64]:
    """Memory that stands for what other programs read: written once, for pages that never were share one of zeros."""
    import numpy as np

    return np.ones(_MOST_BYTES // 8, np.uint64)


def _words(tensor: Any) -> npt.NDArray[Any]:
    """A tensor's memory as whole words, the last bytes left out."""
    import numpy as np

    content = np.from_dlpack(tensor).reshape(-1).view(np.uint8)
    return content[: content.size // 8 * 8].view(np.uint64)
