"""MetaSchedule's tune contexts: a task, its target, its design spaces and what searches them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search.space.generators import space_generator
from search.task import Task
from tunedb.errors import UsageError
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target


def contexts(tasks: Sequence[Task], target: Target, strategy: Any = "replay-trace", *, seed: int) -> list[Any]:
    """A tune context of each task.

    Args:
        tasks: The tasks.
        target: What code is generated for.
        strategy: MetaSchedule's search strategy, or its name.
        seed: The seed of all randomness; each context has one of its own.

    Raises:
        UsageError: A CPU target does not say how many cores it has.
    """
    from tvm.s_tir import meta_schedule as ms

    if target.num_cores is None and target.kind in ("llvm", "c"):
        raise UsageError(
            f'the target {target.text} does not say how many cores programs run on: add "num-cores", such as '
            '"num-cores": 4'
        )
    tvm_target = target_to_tvm(target)
    return [
        ms.TuneContext(
            mod=task.mod,
            target=tvm_target,
            space_generator=space_generator(tvm_target),
            search_strategy=strategy,
            task_name=task.name,
            rand_state=seed + 1 + number,
            num_threads=target.num_cores or 1,
        ).clone()
        for number, task in enumerate(tasks)
    ]
