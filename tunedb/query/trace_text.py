"""A MetaSchedule trace as people read it, one instruction a line. Pure Python: no TVM, any release's trace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tunedb.records import Trace


def trace_lines(trace: Trace) -> list[str]:
    """The instructions with their decisions, up to the postprocessors'.

    `v6, v7 = SamplePerfectTile(l2, 2, 64)  # [8, 16]`: results, kind, inputs and attributes, decision.
    What does not look like a trace comes back as the JSON that it is.
    """
    try:
        decisions = {int(index): value for index, value in json.loads(trace.decisions)}
        instructions = json.loads(trace.instructions)
        lines = []
        for index, (kind, inputs, attributes, results) in enumerate(instructions):
            if kind == "EnterPostproc":
                rest = len(instructions) - index - 1
                lines.append(f"# then {rest} instructions of postprocessors")
                break
            lines.append(_line(kind, inputs, attributes, results, decisions.get(index)))
        return lines
    except (ValueError, TypeError, KeyError):
        return [trace.to_json()]


def _line(kind: str, inputs: Sequence[Any], attributes: Sequence[Any], results: Sequence[str], decision: Any) -> str:
    arguments = ", ".join(_value(item) for item in (*inputs, *attributes))
    made = ", ".join(results)
    call = f"{made} = {kind}({arguments})" if made else f"{kind}({arguments})"
    if decision is None:
        return call
    if kind == "SampleCategorical" and isinstance(decision, int) and attributes:
        choices = attributes[0]
        if isinstance(choices, list) and 0 <= decision < len(choices):
            return f"{call}  # {choices[decision]}"
    return f"{call}  # {_value(decision)}"


def _value(item: Any) -> str:
    if isinstance(item, str):
        return item  # a name, or a string that MetaSchedule has put into quotes itself
    if isinstance(item, list):
        return "[" + ", ".join(_value(part) for part in item) + "]"
    return json.dumps(item)
