"""What a GPU's manual predicts for a program: a cost model that has learned nothing.

From TVM's per-store features: the steps of the busiest store that one thread does after another, where no more threads
count than a large GPU holds, and less where blocks, warps or vectors are too few to keep it busy. The constants are
round numbers of GPUs of the last ten years; none is fitted to a measurement, as there is none yet. It is where a search
begins that knows nothing else.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from costmodels.features import per_store
from costmodels.models.untrained import UntrainedModel
from tunedb.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG2_LANES = 17.0  # threads that a large GPU holds
_LOG2_WARP, _LOG2_BLOCKS = 5.0, 7.0  # threads of a warp; blocks below which multiprocessors stand idle
_LEAST_BUSY_THREADS = 7.0  # of a block, as a power of two, that hide what memory takes
_HIDING = 0.5  # doublings of time for each halving of threads below that
_GATHERED = 0.25  # for each doubling of the lines that the busiest access touches, over its bytes
_LINE_BYTES = 6.0  # of a line, as a power of two


class GpuRooflineModel(UntrainedModel):
    """The logarithm of the steps that a thread does in turn, on a scale of its own."""

    kind: ClassVar[str] = "gpu-roofline"
    error_std: ClassVar[float] = 1.0

    @override
    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        if features.ndim != 2 or features.shape[1] != len(per_store.names()):
            raise ModelError(f"the model wants features [n, {len(per_store.names())}], got {list(features.shape)}")
        threads = sum(_log2(features, f"max_thread_{axis}") for axis in "xyz")
        blocks = sum(_log2(features, f"max_block_{axis}") for axis in "xyz")
        steps = _log2(features, "max_outer_product") - np.minimum(blocks + threads, _LOG2_LANES)
        steps = steps + np.maximum(_LOG2_BLOCKS - blocks, 0.0) * 0.5 + np.maximum(_LOG2_WARP - threads, 0.0)
        steps = steps + _HIDING * np.maximum(_LEAST_BUSY_THREADS - threads, 0.0)
        gathered = _log2(features, "max_buffer1_lines") + _LINE_BYTES - _log2(features, "max_buffer1_bytes")
        steps = steps + _GATHERED * np.maximum(gathered, 0.0)
        return np.asarray(np.log(2.0) * steps, dtype=np.float64)


def _log2(features: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """What TVM counted, as a power of two: it gives log2(1 + x), of which rows have a logarithm once more."""
    return np.asarray(np.expm1(np.maximum(features[:, _places()[name]], 0.0)), dtype=np.float64)


@functools.cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(per_store.names())}
