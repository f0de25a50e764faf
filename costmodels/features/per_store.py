"""TVM's per-store features of a candidate, brought to one row per candidate.

TVM's extractor lowers the schedule and describes every buffer store by 164 numbers (already on a log2 scale or
zero-one): arithmetic, annotations of loops, accesses to up to five buffers, arithmetic intensity, allocation, loops
around it. A program has any number of stores, so that each number is summed, maximised and minimised over them.

TVM is imported late: names and version can be had without it. Make a `TuneContext` only after
`tunedb.metaschedule.intrinsics.register_for`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodels.features.family import Needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

FEATURE_VERSION = "per_store-1"
"""Changes whenever `extract` gives other numbers; saved models and cached features carry it."""

NEEDS = Needs.SCHEDULE
TRIAL_TIMEOUT_SECS = 20.0  # one takes 2 to 10 ms

_BUFFERS_PER_STORE = 5
_INTENSITY_SAMPLES = 10
_LARGEST = 100.0  # what an infinity becomes; the logarithms of real programs stay below 64

_ARITHMETIC = [
    f"{t}_{op}" for t in ("float", "int") for op in ["mad", "addsub", "mul", "divmod", "cmp", "math_call", "other_call"]
]
_ITERATORS = [
    "none",
    "inner_spatial",
    "middle_spatial",
    "outer_spatial",
    "inner_reduce",
    "middle_reduce",
    "outer_reduce",
    "mixed",
]
_LOOP_KIND = ["count", "product", "innermost", *(f"at_{i}" for i in _ITERATORS)]
_GPU = ["is_gpu", *(f"{kind}_{axis}" for kind in ("block", "thread") for axis in "xyz"), "vthread"]
_ACCESS = [
    "is_read",
    "is_write",
    "is_readwrite",
    "bytes",
    "unique_bytes",
    "lines",
    "unique_lines",
    "reuse_in_loop",
    "reuse_serial",
    "reuse_none",
    "reuse_iterations",
    "reuse_bytes",
    "reuse_count",
    "bytes_per_reuse",
    "unique_bytes_per_reuse",
    "lines_per_reuse",
    "unique_lines_per_reuse",
    "stride",
]
_STORE = (
    *_ARITHMETIC,
    "bool_op",
    "select",
    *(f"{kind}_{name}" for kind in ("vectorize", "unroll", "parallel") for name in _LOOP_KIND),
    *_GPU,
    *(f"buffer{i}_{name}" for i in range(_BUFFERS_PER_STORE) for name in _ACCESS),
    *(f"intensity_{i}" for i in range(_INTENSITY_SAMPLES)),
    *("alloc_bytes", "alloc_product", "alloc_outer_product", "alloc_inner_product"),
    *("outer_product", "num_loops", "auto_unroll_max_step"),
)
_NAMES = tuple(f"{how}_{name}" for how in ("sum", "max", "min") for name in _STORE)


def names() -> tuple[str, ...]:
    """Names of the columns of `extract`, in order (d = 3 * 164 = 492)."""
    return _NAMES


def extract(given: Sequence[Any], context: Any) -> NDArray[np.float64]:
    """Features of scheduled candidates.

    Args:
        given: n of `tvm.s_tir.Schedule`, after the postprocessors.
        context: the `TuneContext` of their workload; by its target they are GPU programs or not, and `num_threads` of
            them are done at once.

    Returns:
        Array [n, d], signed log1p of the aggregated numbers. All finite, except that the row of a candidate that
        cannot be lowered is NaN throughout: drop it with `np.isnan(rows[:, 0])`.
    """
    from tvm.s_tir import meta_schedule as ms

    rows = np.full((len(given), len(_NAMES)), np.nan)
    if not given:
        return rows
    extractor = ms.feature_extractor.PerStoreFeature(
        buffers_per_store=_BUFFERS_PER_STORE, arith_intensity_curve_num_samples=_INTENSITY_SAMPLES
    )
    try:
        stores = extractor.extract_from(context, [ms.MeasureCandidate(schedule, []) for schedule in given])
    except Exception:  # TVM throws for the whole batch what is wrong with one candidate
        if len(given) == 1:
            _log.debug("a candidate cannot be lowered", exc_info=True)
            return rows
        for i, schedule in enumerate(given):
            rows[i] = extract([schedule], context)[0]
        return rows
    for i, matrix in enumerate(stores):
        rows[i] = aggregate(matrix.numpy())
    return rows


def aggregate(stores: NDArray[np.float64]) -> NDArray[np.float64]:
    """One row [3 * k] from the features of s stores [s, k]: sum, max and min in signed log1p; NaN when s is 0."""
    if stores.shape[0] == 0:
        return np.full(3 * stores.shape[1], np.nan)
    # A region of zero bytes makes TVM divide by zero: keep the sign, bound the size.
    bounded = np.nan_to_num(stores, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
    row = np.concatenate([bounded.sum(axis=0), bounded.max(axis=0), bounded.min(axis=0)])
    return np.asarray(np.sign(row) * np.log1p(np.abs(row)), dtype=np.float64)
