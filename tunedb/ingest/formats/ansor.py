"""The lines of logs of Ansor, TVM's auto_scheduler: where things stand in one.

It is `{"i": [[workload key, target, hardware parameters, ...], [stages, steps]], "r": [...], "v": "v0.6"}`. A workload
key is the hash of a compute graph, or the name of a registered function, with arguments.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tunedb.errors import BadInputError
from tunedb.ingest.formats.legacy import Entry
from tunedb.traces import ANSOR

_HASH_DIGITS = 32


def entry_of(record: dict[str, Any]) -> Entry:
    """Reads a record.

    Args:
        record: a line of an Ansor log, decoded.

    Returns:
        What the line says.

    Raises:
        BadInputError: the line is not of this form, or a part of it makes no sense.
    """
    match record.get("i"):
        case [[str(key), str(target), *rest], list(state)]:
            pass
        case _:
            raise BadInputError("not an Ansor record: its input is not [[workload key, target, ...], state]")
    try:
        name, *args = msgspec.json.decode(key, type=list[Any])
    except ValueError as error:
        raise BadInputError(f"not an Ansor record: the workload key {key[:60]!r} cannot be read") from error
    return Entry(
        target=target,
        words=_words(name, args),
        signature=msgspec.json.encode({"tuner": ANSOR, "workload_key": [name, *args]}),
        instructions=msgspec.json.encode([ANSOR, *rest]),
        decisions=msgspec.json.encode(state),
        result=record.get("r"),
    )


def _words(name: Any, args: list[Any]) -> list[str]:
    """The function's name, or of a graph's hash enough to tell it; then its numbers, and its words."""
    called = str(name)
    if len(called) == _HASH_DIGITS and set(called) <= set("0123456789abcdef"):
        called = f"graph {called[:8]}"
    sizes = "x".join(str(arg) for arg in args if isinstance(arg, int))
    lists = ["x".join(map(str, arg)) for arg in args if isinstance(arg, list) and arg]
    return [called, *([sizes] if sizes else []), *lists, *[arg for arg in args if isinstance(arg, str)]]
