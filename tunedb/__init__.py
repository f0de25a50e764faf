"""tunedb's store: what is remembered of every tuned workload, target and machine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tunedb.store.contract import Store
from tunedb.store.opening import open_store

if TYPE_CHECKING:
    from tunedb.metaschedule.database import tvm_database

__all__ = ["Store", "open_store", "tvm_database"]

# Imported when first asked for: `import tunedb` pays neither for TVM nor for Arrow.
_LATE = {"tvm_database": "tunedb.metaschedule.database"}


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
