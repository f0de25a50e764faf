"""Reference kernels that tell what a core, or a GPU, can do: one bound by arithmetic, one by memory.

`search.measure.reference_kernels` builds and runs them; here they are known by their workloads' hashes, and their
trials are trials like any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kernel:
    """A workload of known work."""

    workload_id: str
    extents: tuple[int, ...]
    work: float  # of one run: FLOP, or bytes to and from memory


# Repeats, rows, columns and depth of a product of two small matrices that stay in the innermost cache.
ARITHMETIC = Kernel("ddc630615bb24ce0079e3da6ea0d57d0", (64, 6, 32, 256), 2.0 * math.prod((64, 6, 32, 256)))
# Elements (float32) that are read, changed and written: 16 MiB in all, more than most cores' own caches hold.
MEMORY = Kernel("a8ab2cc4d901c33a21b9ebd3f30bf19e", (2 << 20,), 8.0 * (2 << 20))
# The same for a GPU: products for each of its blocks of threads, and 512 MiB that no L2 cache holds.
GPU_ARITHMETIC = Kernel("ded58512c5dcb473d2e1869992c2c14a", (4096, 64, 64, 256), 2.0 * math.prod((4096, 64, 64, 256)))
GPU_MEMORY = Kernel("d6d8c365073a990b94718a49e4f72976", (64 << 20,), 8.0 * (64 << 20))
ALL_ARITHMETIC, ALL_MEMORY = (ARITHMETIC, GPU_ARITHMETIC), (MEMORY, GPU_MEMORY)
KERNELS = (*ALL_ARITHMETIC, *ALL_MEMORY)
WORKLOAD_IDS = frozenset(kernel.workload_id for kernel in KERNELS)
