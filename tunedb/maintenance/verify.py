"""Verification of a store: can all of it be read, do references lead somewhere, is each row what was written?

Rows have checksums, and ids are hashes of content. What is made of rows is compared too: statistics in the tables' logs
and in the files' footers, by which queries leave files out.
"""

from __future__ import annotations

from collections.abc import Callable

from tunedb.errors import TunedbError
from tunedb.store.contract import Store


def verify(store: Store, on_progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Looks through a whole store, a few thousand rows at a time.

    A table that cannot be read hides what is behind it: repair, then verify again.

    Args:
        store: the store to read.
        on_progress: called with the number of rows that were compared, and with that of all.

    Returns:
        What is wrong with it, one sentence each, for people; empty when it is sound.
    """
    try:
        return store.problems(whole=True, on_progress=on_progress)
    except TunedbError as error:
        return [str(error)]
