"""Opens a store by its folder or URL. Importing this costs nothing; opening a store on disk imports Delta Lake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tunedb.errors import UsageError
from tunedb.store.contract import Store
from tunedb.store.locations import is_service, located


def open_store(
    url: str | Path,
    *,
    create: bool = True,
    as_of: int | str | datetime | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Store:
    """Opens a store.

    Args:
        url: a folder, a URL that Delta Lake knows ("s3://bucket/store"), that of a service ("https://host",
            docs/service.md), or "memory:" for one that is not kept.
        create: whether to make the store if it is not there.
        as_of: the store as it was, read-only: a version (as `Store.version` gave it), or a time (a `datetime`, or ISO
            8601; without a zone it is local time). None opens it as it is and goes with it.
        storage_options: for a URL, how to reach it, in Delta Lake's terms (docs/object-stores.md). What is not given is
            read from the environment by Delta Lake itself. Of a service: `token`, `token_file`, `ca_file`, `spool`.

    Raises:
        NotFoundError: there is no store and `create` is false, or it has no such version.
        StoreError: it cannot be opened or made.
        StoreSchemaError: it was written by another schema version.
        AccessError: it is kept by a service that refuses.
    """
    text = str(url)
    if not text:
        raise UsageError("the store's folder or URL is empty")
    if text == "memory:":
        if as_of is not None:
            raise UsageError("a store in memory keeps no earlier versions")
        from tunedb.store.memory import MemoryStore

        return MemoryStore()
    if is_service(text):
        if as_of is not None:
            raise UsageError("a service answers as its store is now, not as it was: ask where the store is kept")
        from tunedb.store.http.store import HttpStore

        return HttpStore(text, storage_options)
    from tunedb.store.delta.store import DeltaStore

    options = None if storage_options is None else dict(storage_options)
    return DeltaStore(located(text), create=create and as_of is None, as_of=parse_as_of(as_of), storage_options=options)


def parse_as_of(as_of: int | str | datetime | None) -> int | datetime | None:
    """A version or a time with a zone, from what a user wrote.

    Raises:
        UsageError: it is neither a version nor a time.
    """
    if isinstance(as_of, str):
        try:
            as_of = int(as_of) if as_of.isdecimal() else datetime.fromisoformat(as_of)
        except ValueError as error:
            wanted = "a version (a whole number) or a time such as 2026-11-20T21:00"
            raise UsageError(f"{as_of!r} is not {wanted}") from error
    if isinstance(as_of, datetime):
        try:
            return as_of.astimezone(UTC)
        except (OverflowError, ValueError, OSError) as error:  # within a day of the first or the last there is
            raise UsageError(f"the time {as_of} is out of range") from error
    if isinstance(as_of, int) and as_of < 0:
        raise UsageError(f"there is no version {as_of}: they count from 0")
    return as_of
