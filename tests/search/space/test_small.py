"""Small programs stay on one thread, and larger ones do not."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

from search.contexts import contexts
from search.corpus.operators import prim_func
from search.space.small import is_too_small
from search.space.spaces import DesignSpaces
from search.task import Task
from tunedb.identity import canonical_target

pytestmark = pytest.mark.tvm


def module(operator: str, *sizes: int) -> tvm.IRModule:
    return tvm.IRModule({"main": prim_func(operator, list(sizes))})


@pytest.mark.parametrize(
    ("operator", "sizes", "cores", "expected"),
    [
        ("softmax_mn", (16, 64), 2, True),
        ("softmax_mn", (16, 64), 1, False),  # there is no other thread
        ("matmul", (256, 256, 256), 2, False),
        ("transpose", (1024, 1024), 8, False),  # of which no arithmetic is counted
    ],
)
def test_what_is_too_small(operator: str, sizes: tuple[int, ...], cores: int, expected: bool) -> None:
    assert is_too_small(module(operator, *sizes), cores) is expected


@pytest.mark.parametrize(("sizes", "is_shared"), [((16, 64), False), ((2048, 512), True)])
def test_candidates_are_shared_between_threads_where_it_pays(sizes: tuple[int, int], is_shared: bool) -> None:
    target = canonical_target({"kind": "llvm", "mcpu": "x86-64-v3", "num-cores": 4})
    (context,) = contexts([Task("task", module("softmax_mn", *sizes))], target, seed=0)
    spaces = DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))
    candidates = spaces.sample(8)
    spaces.close()
    assert candidates
    assert any("T.parallel" in one.schedule.mod.script() for one in candidates) is is_shared
