"""What tests of the design spaces of our own share."""

from __future__ import annotations

from typing import Any

import numpy as np


def context_of(mod: Any, target: Any) -> Any:
    from search.contexts import contexts
    from search.task import Task
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for(target.kind)
    return contexts([Task("task", mod, 1)], target, seed=0)[0]


def spaces_of(mod: Any, target: Any) -> Any:
    from search.space.spaces import DesignSpaces

    context = context_of(mod, target)
    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(0))


def output(mod: Any, target: Any) -> Any:
    import tvm
    from tvm.s_tir import meta_schedule as ms

    rng = np.random.default_rng(1)
    infos = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
    arrays = [tvm.runtime.tensor(rng.standard_normal([int(n) for n in one.shape], dtype="float32")) for one in infos]
    tvm.compile(mod, target=target)["main"](*arrays)
    return arrays[-1].numpy()
