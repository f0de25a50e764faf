"""What a processor's manual predicts for a program: a cost model that has learned nothing.

Cycles that the vector units, the loops and each level of cache would take, added up, from the loop-nest features alone
(after Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
CACM 2009, and, in that the parts are added, the execution-cache-memory model of Stengel, Treibig, Hager and Wellein,
"Quantifying performance bottlenecks of stencil computations using the ECM model", ICS 2015). The constants are round
numbers of x86 and ARM cores of the last ten years; none is fitted to a measurement, but which effects are counted was
tried on the bundled trials. It is where a search begins that knows nothing else, and what models that learn must beat.

    work      vector instructions of a block: arithmetic and accesses
    chains    sums that are kept in registers while the innermost reduction runs
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from costmodels.features import loop_nest
from costmodels.models.untrained import UntrainedModel
from tunedb.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VECTOR_CYCLES = 0.5  # of an instruction: two ports
_LATENCY_CYCLES = 4.0  # of a multiplication and addition, until the next of the same sum may begin
_SPILLED = 1.7  # times as much work where the sums do not fit into the registers
_TAKEN_APART = 4.0  # the same where LLVM takes vectors apart: uneven ones, and those whose lanes branch
_CHOSEN_SHARE = 0.3  # more work where LLVM chose the loop that becomes vectors: now and then it does not
_STRAIGHT = 2.0  # times as much where it finds vectors in straight code
_LANE_CYCLES = 1.0  # of a lane that is loaded or stored by itself
_LOOP_CYCLES = 2.0  # of an iteration that is not unrolled
_LINE_CYCLES = (2.0, 6.0, 12.0)  # of a cache line from L2, L3 and memory
_LINE_BYTES = 64.0
_MOST_CODE = 2048.0  # instructions, beyond which unrolled code leaves the caches of decoded instructions
_CODE_SHARE = 0.25  # more work for each doubling beyond
_MOST_DOUBLINGS = 3.0
_WIDE_LANES, _WIDE_REGISTERS, _REGISTERS = 16.0, 32.0, 16.0


class RooflineModel(UntrainedModel):
    """The logarithm of the cycles that a core is expected to take."""

    kind: ClassVar[str] = "roofline"
    error_std: ClassVar[float] = 0.6

    @override
    def costs(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = _Columns(features)
        lanes = columns["target_vector_bits"] / 32.0
        main, second = (_block_cycles(columns, block, lanes) for block in ("main", "second"))
        has_second = columns.raw("second_share_lanes") >= 0.0  # -1 throughout where there is none
        cycles = main + np.where(has_second, second, 0.0)
        described = columns["main_vector_work"] + np.where(has_second, columns["second_vector_work"], 0.0)
        cycles += _VECTOR_CYCLES * np.maximum(columns["all_vector_work"] - described, 0.0)
        for level, line_cycles in enumerate(_LINE_CYCLES):
            cycles += columns[f"all_cache{level}_traffic"] / _LINE_BYTES * line_cycles
        return np.asarray(np.log(cycles), dtype=np.float64)


def _block_cycles(columns: _Columns, block: str, lanes: NDArray[np.float64]) -> NDArray[np.float64]:
    vector, sums = columns[f"{block}_vector"], columns[f"{block}_tile_registers"]
    steps = columns[f"{block}_iterations"] / vector
    done = steps * (1.0 - columns.raw(f"{block}_share_skipped"))
    reduces = columns[f"{block}_iterations_per_output"] > 1.5
    registers = np.where(lanes >= _WIDE_LANES, _WIDE_REGISTERS, _REGISTERS)
    cycles = _VECTOR_CYCLES * columns[f"{block}_vector_work"]
    chained = _LATENCY_CYCLES * done * np.ceil(vector / np.maximum(lanes, 1.0)) / np.maximum(sums, 1.0)
    cycles = np.where(reduces, np.maximum(cycles, chained), cycles)
    cycles = cycles * np.where(reduces & (sums > registers), _SPILLED, 1.0)
    is_apart = columns.raw(f"{block}_is_uneven_vector") + columns.raw(f"{block}_is_branching_by_lane") > 0.0
    cycles = cycles * np.where(is_apart, _TAKEN_APART, 1.0)
    is_straight = columns.raw(f"{block}_is_straight_vector") > 0.0
    cycles = cycles * np.where(is_straight, _STRAIGHT, 1.0 + _CHOSEN_SHARE * columns.raw(f"{block}_is_auto_vector"))
    cycles = cycles + _LANE_CYCLES * columns[f"{block}_strided_work"] * vector
    cycles = cycles + _LOOP_CYCLES * steps / np.maximum(columns[f"{block}_unrolled"], 1.0)
    doublings = np.clip(columns.raw(f"{block}_unrolled_ops") - np.log2(_MOST_CODE), 0.0, _MOST_DOUBLINGS)
    return np.asarray(cycles * (1.0 + _CODE_SHARE * doublings), dtype=np.float64)


class _Columns:
    """Columns of loop-nest features by name; `[...]` is what the logarithm is of, `raw` the column as it is."""

    def __init__(self, features: NDArray[np.float64]) -> None:
        if features.ndim != 2 or features.shape[1] != len(_places()):
            raise ModelError(f"the model wants features [n, {len(_places())}], got {list(features.shape)}")
        self._features = features

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return np.asarray(np.exp2(self.raw(name)), dtype=np.float64)

    def raw(self, name: str) -> NDArray[np.float64]:
        return np.asarray(self._features[:, _places()[name]], dtype=np.float64)


@functools.cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(loop_nest.names())}
