"""Opens a store by its folder or URL. Importing this costs nothing; opening a store on disk imports Delta Lake."""

from __future__ import annotations

from pathlib import Path

from tunedb.errors import UsageError
from tunedb.store import Store


def open_store(url: str | Path, *, create: bool = True) -> Store:
    """Opens a store.

    Args:
        url: a folder, a URL that Delta Lake knows ("s3://bucket/store"), or "memory:" for one that is not kept.
        create: whether to make the store if it is not there.

    Raises:
        NotFoundError: there is no store and `create` is false.
        StoreError: it cannot be opened or made.
        StoreSchemaError: it was written by another schema version.
    """
    text = str(url)
    if not text:
        raise UsageError("the store's folder or URL is empty")
    if text == "memory:":
        from tunedb.memory import MemoryStore

        return MemoryStore()
    from tunedb.delta import DeltaStore

    if "://" not in text:
        text = str(Path(text).expanduser().absolute())
    return DeltaStore(text, create=create)
