"""The lines of AutoTVM logs, of both forms: where things stand in one.

Since 0.2 it is `{"input": [target, task, args, kwargs], "config": {"entity": [...]}, "result": [...]}`; before it was
`{"i": [target, task, args, kwargs, workload, {"e": [...]}], "r": [...]}`. A task is a template's name with arguments.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.ingest.formats.legacy import Entry
from tunedb.traces import AUTOTVM


def entry_of(record: dict[str, Any]) -> Entry:
    """Reads a record.

    Args:
        record: a line of an AutoTVM log, decoded.

    Returns:
        What the line says.

    Raises:
        BadInputError: the line is not of this form, or a part of it makes no sense.
    """
    if "input" in record:
        task_input, config, result = record["input"], record.get("config"), record.get("result")
        entity = config.get("entity") if isinstance(config, dict) else None
    else:
        task_input, result = record.get("i"), record.get("r")
        config = task_input[5] if isinstance(task_input, list) and len(task_input) > 5 else None
        entity = config.get("e") if isinstance(config, dict) else None
    match task_input:
        case [str(target), str(task), list(args), kwargs, *_]:
            pass
        case _:
            raise BadInputError("not an AutoTVM record: its input is not [target, task, arguments, ...]")
    if not isinstance(entity, list):
        raise BadInputError("not an AutoTVM record: it has no configuration")
    return Entry(
        target=target,
        words=[task, *_words(args)],
        signature=msgspec.json.encode({"args": args, "kwargs": kwargs or {}, "task": task, "tuner": AUTOTVM}),
        instructions=msgspec.json.encode([AUTOTVM, task]),
        decisions=msgspec.json.encode(entity),
        result=result,
    )


def _words(args: list[Any]) -> list[str]:
    """Tensors as "1x3x224x224", then strides and the like, then the first tensor's type."""
    tensors, others, dtypes = [], [], []
    for arg in args:
        match arg:
            case ["TENSOR", list(shape), str(dtype)]:
                tensors.append("x".join(map(str, shape)))
                dtypes.append(dtype)
            case [_, *_]:
                others.append("x".join(map(str, arg)))
    return [*tensors, *others, *dtypes[:1]]
