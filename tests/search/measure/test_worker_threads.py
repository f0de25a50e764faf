"""A target without `--target` has all processors that this process may use, and what is measured runs on so many."""

from __future__ import annotations

import os

import pytest

from search.measure import workers
from search.measure.zygote import ForkedPool
from search.targets import local_target

pytestmark = pytest.mark.tvm


def threads() -> int:
    """Of TVM's runtime, in the process that is asked."""
    import tvm

    return int(tvm.get_global_func("runtime.NumThreads")())


def test_threads_are_those_of_the_target() -> None:
    target = local_target()
    assert target.num_cores == len(os.sched_getaffinity(0))
    for number in (target.num_cores, os.cpu_count() or 1):  # TVM has no more than the machine has processors
        pool = ForkedPool(
            max_workers=1, timeout=60, initializer=workers.start_worker, initargs=(target.kind, target.keys, number, ())
        )
        try:
            assert pool.submit(threads).result() == number
        finally:
            pool.shutdown(wait=False)
