"""A network before any arm: its tasks, how often each is called, and what TVM's own code of each takes.

It is what a child does: a model file may be anybody's, and TVM's code of it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from search.bench.results import Network, Task
from tunedb.errors import TunedbError, last_line
from tunedb.records import Outcome, Target


class Wanted(msgspec.Struct, frozen=True):
    """A network to be looked at."""

    model: str
    shapes: dict[str, tuple[int, ...]]
    target: Target
    measures: bool  # whether its tasks are looked at too


class Looked(msgspec.Struct, frozen=True):
    """What it is, or why it cannot be tuned."""

    network: Network | None = None
    error: str = ""


def look_at(requests: Iterator[Wanted]) -> Iterator[Looked]:
    """Imports networks, and runs the untuned program of each task."""
    from search.measure import zygote

    zygote.prepare()
    for request in requests:
        try:
            yield Looked(_network(request))
        except TunedbError as error:
            yield Looked(error=str(error))
        except Exception as error:
            yield Looked(error=f"{type(error).__name__}: {last_line(error)}")


def _network(request: Wanted) -> Network:
    from search.measure.here import this_cpu
    from search.networks.importing import import_network
    from search.networks.tasks import tasks_of
    from tunedb.metaschedule.replay import workload_from_module

    network = import_network(request.model, request.shapes)
    if not request.measures:
        return Network(network.name, request.model, network.digest, (), request.shapes)
    tasks = tasks_of(network, request.target)
    with this_cpu(request.target) as device:
        device.check()
        found: dict[str, Task] = {}
        for task in tasks:
            workload, _ = workload_from_module(task.mod)
            known = found.get(workload.workload_id)
            weight = task.weight + (known.weight if known else 0.0)
            secs = known.untuned_secs if known else _untuned_secs(task.mod, device)
            found[workload.workload_id] = Task(workload.workload_id, workload.name, weight, secs)
    return Network(network.name, request.model, network.digest, tuple(found.values()), request.shapes)


def _untuned_secs(mod: Any, device: Any) -> float | None:
    """What one call of TVM's own code takes; None where it cannot be built or run."""
    from search.measure.device import Timing
    from search.measure.programs import program_of

    (build,) = device.build([program_of(mod)], keep=True)
    try:
        if build.outcome is not Outcome.OK:
            return None
        (measured,) = device.run([build.number], timing=Timing(repeat=3, min_repeat_ms=1))
        return min(measured.run_secs, default=None)
    finally:
        device.release([build.number])
