"""What other writers committed between the version that a writer had read and its own commit."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, cast
from urllib.parse import unquote

import deltalake
import msgspec
import pyarrow as pa

from tunedb.errors import first_line

MARK = "tunedb.append"  # in the log, beside each append: which commit was whose
_LOG = logging.getLogger(__name__)


def added_meanwhile(delta: deltalake.DeltaTable, read: int, mark: str, key: str, keys: Collection[str]) -> set[str]:
    """Looks which keys were there already when a commit was made, though not in the version that its writer had read.

    Args:
        delta: the table, at the version of the commit or a later one.
        read: the version that the writer had read.
        mark: what the commit says under `MARK`.
        key: the column of the keys.
        keys: of the rows of the commit.

    Returns:
        Those of the keys that others had committed first.
    """
    newest = int(delta.version())
    if newest == read + 1:
        return set()
    import pyarrow.parquet as pq
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    files = PyFileSystem(DeltaStorageHandler.from_table(cast(Any, delta)._table))
    wanted, found = set(keys), set[str]()
    try:
        for version in range(read + 1, newest + 1):
            with files.open_input_stream(f"_delta_log/{version:020}.json") as log:
                actions = [msgspec.json.decode(line) for line in log.read().splitlines()]
            if any(action.get("commitInfo", {}).get(MARK) == mark for action in actions):
                return found
            for action in actions:
                if "add" in action:
                    column = pq.read_table(unquote(action["add"]["path"]), columns=[key], filesystem=files)[key]
                    found |= wanted.intersection(column.to_pylist())
    except (OSError, ValueError, pa.ArrowException) as error:
        _LOG.debug("%s", first_line(error))
    # The rows are safe. Who was first cannot be told any more where a vacuum without grace has come between.
    _LOG.warning("whether others added the same rows at the same time cannot be told")
    return found
