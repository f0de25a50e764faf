"""Which layout a network is lowered in: the one whose tasks are believed to take less time, transposes among them."""

from __future__ import annotations

import logging
from dataclasses import replace

from search.networks.lowering import Layout, Lowered, layouts_of, lower
from search.networks.network import Network
from search.work import work_of
from tunedb.errors import BadInputError
from tunedb.records import Target
from tunedb.units import duration

_log = logging.getLogger(__name__)

_OPS_PER_SEC = {Layout.CHANNELS_LAST: 1e11, Layout.CHANNELS_FIRST: 5e10}
"""Of a core with vectors of 16 numbers: with channels last they run over channels, and weights are packed for them."""
_BYTES_PER_SEC = 1e10  # of what moves data about


def lower_best(network: Network, target: Target) -> Lowered:
    """A network lowered in the layout that is believed to be the fastest.

    Args:
        network: The network.
        target: What it is lowered for.

    Raises:
        BadInputError: TVM cannot lower it.
    """
    first = lower(network, target, Layout.CHANNELS_FIRST)
    if len(layouts_of(network)) == 1 or target.kind == "cuda":  # nothing was measured that a guess could rest on
        return first
    try:
        last = lower(network, target, Layout.CHANNELS_LAST)
    except BadInputError as error:  # of an operator that this layout cannot be carried through
        _log.info("%s", error)
        return replace(first, reason=f"{Layout.CHANNELS_LAST} cannot be carried through the network")
    secs = {one.layout: _secs(one) for one in (last, first)}
    best, other = (last, first) if secs[last.layout] <= secs[first.layout] else (first, last)
    reason = f"guessed to take {duration(secs[best.layout])} on a core, {other.layout} {duration(secs[other.layout])}"
    _log.info("%s: %s, %s", network.name, best.layout, reason)
    return replace(best, reason=reason)


def _secs(lowered: Lowered) -> float:
    """A guess of what a network takes on a core."""
    work = [(task.weight, work_of(task)) for task in lowered.tasks]
    ops_per_sec = _OPS_PER_SEC[lowered.layout]
    return sum(weight * (one.flop / ops_per_sec + one.num_bytes / _BYTES_PER_SEC) for weight, one in work)
