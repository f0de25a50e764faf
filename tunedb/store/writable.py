"""Whether anything can be added to a store, to be asked before work whose result would be lost."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from tunedb.errors import StoreError, first_line
from tunedb.store.contract import StoreReader
from tunedb.store.locations import is_service, is_url
from tunedb.store.schema import TABLES

_PROBE = bytes(64 << 10)  # what a small append takes


def check_writable(store: StoreReader) -> None:
    """Tries to write to where the store is, and leaves nothing there.

    Raises:
        StoreError: it cannot be written to; the message says why.
        AccessError: the service that keeps it refuses.
    """
    if store.url == "memory:":
        return
    try:
        if is_service(store.url):
            from tunedb.store.http.store import HttpStore

            if isinstance(store, HttpStore):
                store.check_writable()
            return
        if is_url(store.url):
            name = f"probe-{secrets.token_hex(4)}"
            store.artifacts.write(name, b"")
            store.artifacts.delete(name)
            return
        for table in TABLES:
            if table.is_late and not (Path(store.url) / table.name).exists():
                continue
            for folder in (Path(store.url) / table.name, Path(store.url) / table.name / "_delta_log"):
                with tempfile.TemporaryFile(dir=folder) as file:  # it has no name where that can be
                    file.write(_PROBE)
                    file.flush()
                    os.fsync(file.fileno())
    except StoreError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else first_line(error)
        raise StoreError(f"nothing can be added to the store at {store.url}: {reason}") from error
