"""A faster way to replay a trace of which everything is decided.

The costliest step of a replay is often `SampleComputeLocation`, which tries every loop of the consumers before it takes
the one that was decided. Here the block goes there at once. TVM puts a location that it would
not have drawn in the place of another; this does not see that, so that a candidate is replayed TVM's way before it is
measured (`DesignSpaces.verified`).
"""

from __future__ import annotations

from typing import Any

from tvm.s_tir.schedule import Trace

from search.space.decisions import Decisions

_LOCATION = "SampleComputeLocation"
_KNOWN = frozenset({_LOCATION, "ComputeAt", "GetProducers", "Unannotate"})
_AT_ROOT, _INLINE = -1, -2  # decisions that are no loop's number


class FastReplay:
    """The faster way through one design space.

    Args:
        trace: The design space's trace, with open decisions.
    """

    def __init__(self, trace: Any) -> None:
        self._insts = list(trace.insts)
        kinds = [str(inst.kind.name) for inst in self._insts]
        self._first = kinds.index(_LOCATION) if _LOCATION in kinds else len(kinds)
        self._kinds = kinds
        self.exists = self._first < len(kinds) and set(kinds[self._first :]) <= _KNOWN
        """Whether this design space has such a way: from the first location on, there are only steps that it knows."""

    def schedule(self, schedule: Any, decisions: Decisions) -> Any | None:
        """A schedule with these decisions; its own trace is not the design space's.

        Args:
            schedule: A schedule of the program to which nothing is done yet.
            decisions: All decisions of the design space, by place.

        Returns:
            The schedule; None when a primitive refuses the decisions: TVM may know what to put in their place.
        """
        insts = self._insts[: self._first]
        decided = {insts[place]: value for place, value in decisions.items() if place < self._first}
        try:
            Trace(insts, decided).apply_to_schedule(schedule, remove_postproc=True)
            self._move_blocks(schedule, decisions)
        except Exception:  # a primitive refused: TVM raises its own type for each
            return None
        return schedule

    def _move_blocks(self, schedule: Any, decisions: Decisions) -> None:
        there: dict[Any, Any] = {}  # variables of the design space to those of the schedule
        for ours, its in zip(self._insts, schedule.trace.insts, strict=False):
            there.update(zip(ours.outputs, its.outputs, strict=True))
        for place in range(self._first, len(self._insts)):
            inst, kind = self._insts[place], self._kinds[place]
            block = there[inst.inputs[0]]
            if kind == _LOCATION:
                there[inst.outputs[0]] = _location(schedule, block, int(decisions[place]))  # type: ignore[arg-type]
            elif kind == "GetProducers":
                there.update(zip(inst.outputs, schedule.get_producers(block), strict=True))
            elif kind == "Unannotate":
                schedule.unannotate(block, str(inst.attrs[0]))
            else:
                _compute_at(schedule, block, there[inst.inputs[1]], inst.attrs)


def _location(schedule: Any, block: Any, decision: int) -> Any:
    """The loop of the first consumer that a decision means; the decision itself where it means none."""
    if decision in (_AT_ROOT, _INLINE):
        return decision
    return schedule.get_loops(schedule.get_consumers(block)[0])[decision]


def _compute_at(schedule: Any, block: Any, location: Any, attributes: Any) -> None:
    if location == _INLINE:
        schedule.compute_inline(block)
    elif location != _AT_ROOT:
        schedule.compute_at(block, location, preserve_unit_loops=bool(attributes[0]), index=int(attributes[1]))
