"""Which schema version a table was written with, and what to do about one that is not the present one."""

from __future__ import annotations

import deltalake

from tunedb.errors import StoreSchemaError
from tunedb.store.schema import SCHEMA_VERSION

DESCRIPTION = "tunedb schema"


def schema_version(delta: deltalake.DeltaTable, url: str) -> int:
    """The schema version that a table was written with.

    Args:
        delta: the table.
        url: of the table, for errors.

    Raises:
        StoreSchemaError: it is none of tunedb's.
    """
    return version_in(delta.metadata().description or "", url)


def version_in(description: str, url: str) -> int:
    """The schema version that the description of a table names.

    Args:
        description: as Delta Lake keeps it.
        url: of the table, for errors.

    Raises:
        StoreSchemaError: it is none of tunedb's.
    """
    written = description.removeprefix(DESCRIPTION).strip()
    if not description.startswith(DESCRIPTION) or not written.isdigit():
        raise StoreSchemaError(f"{url} is a Delta table, but not one of tunedb's", expected=SCHEMA_VERSION)
    return int(written)


def refuse_other_version(written: int, store: str) -> None:
    """Says what to do about a store of another schema version.

    Args:
        written: the version that it was written with.
        store: its folder or URL.

    Raises:
        StoreSchemaError: it is not the present version.
    """
    refuse_later_version(written, store)
    if written < SCHEMA_VERSION:
        raise StoreSchemaError(
            f"{_says(written, store)}: run `tunedb migrate --store {store}`, which keeps all that is in it",
            found=written,
            expected=SCHEMA_VERSION,
        )


def refuse_later_version(written: int, store: str) -> None:
    """Says what to do about a store of a later schema version.

    Raises:
        StoreSchemaError: it is later than the present version.
    """
    if written > SCHEMA_VERSION:
        raise StoreSchemaError(
            f"{_says(written, store)}: upgrade tunedb (pip install --upgrade tunedb)",
            found=written,
            expected=SCHEMA_VERSION,
        )


def _says(written: int, store: str) -> str:
    return f"the store at {store} has schema version {written}, and this tunedb reads {SCHEMA_VERSION}"
