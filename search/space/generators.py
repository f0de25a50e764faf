"""The design spaces of a task: MetaSchedule's, and after them ours, for families that stay far from the roof.

Ours consist of TVM's own instructions: a record of them replays wherever TVM does. Where a task has several design
spaces, the search chooses among them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_LOG = logging.getLogger(__name__)


def space_generator(target: Any) -> Any:
    """MetaSchedule's generator of the design spaces of tasks.

    Args:
        target: TVM's target; other kinds than "llvm" have MetaSchedule's own spaces only.
    """
    from tvm.s_tir.meta_schedule import space_generator as generators

    if str(target.kind.name) != "llvm":
        return generators.PostOrderApply()
    num_cores = int(target.attrs.get("num-cores", 1))
    own = generators.ScheduleFn(lambda schedule: _own_spaces(schedule, num_cores))
    return generators.SpaceGeneratorUnion([generators.PostOrderApply(), own])


def _own_spaces(schedule: Any, num_cores: int) -> list[Any]:
    """The design spaces of the first family that a program belongs to; none where it belongs to none."""
    for family in families():
        try:
            found = family(schedule.copy(), num_cores)
        except Exception:  # a primitive refused: TVM raises its own type for each, and its own spaces are there
            _LOG.debug("a program that %s does not understand", family.__name__, exc_info=True)
            continue
        if found:
            return found
    return []


def families() -> tuple[Callable[[Any, int], list[Any]], ...]:
    """What makes design spaces of a program, by the families that they are for."""
    from search.space.rows import row_space

    return (row_space,)
