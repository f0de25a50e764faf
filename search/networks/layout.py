"""Which layout a network is lowered in."""

from __future__ import annotations

import logging
import math

from search.measure.programs import program_of
from search.networks.lowering import Layout, Lowered, layouts_of, lower
from search.networks.network import Network
from tunedb.errors import BadInputError
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Target

_log = logging.getLogger(__name__)
_MOST_TRANSPOSED = 0.25  # of what convolutions read and write


def lower_best(network: Network, target: Target) -> Lowered:
    """A network lowered with channels last, unless that makes many transposes.

    Args:
        network: The network.
        target: What it is lowered for.

    Raises:
        BadInputError: TVM cannot lower it.
    """
    if len(layouts_of(network)) == 1:
        return lower(network, target, Layout.CHANNELS_FIRST)
    try:
        last = lower(network, target, Layout.CHANNELS_LAST)
    except BadInputError as error:  # of an operator that this layout cannot be carried through
        _log.info("%s", error)
        return lower(network, target, Layout.CHANNELS_FIRST)
    moved = sum(_elements(last, "transpose"))
    images = sum(_elements(last, "conv2d")) or 1.0
    return last if moved <= _MOST_TRANSPOSED * images else lower(network, target, Layout.CHANNELS_FIRST)


def _elements(lowered: Lowered, kind: str) -> list[float]:
    """How many elements each call of a kind of task moves."""
    found = []
    for task in lowered.tasks:
        workload, _ = workload_from_module(task.mod)
        if kind in task.name and (kind == "transpose") == (workload.family == "transpose"):
            _, _, shape = program_of(task.mod).args_info[-1]
            found.append(math.prod(shape) * task.weight)
    return found
