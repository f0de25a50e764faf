"""tunedb's store: what is remembered of every tuned workload, target and machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunedb.lazy import imported_late
from tunedb.store.contract import Store
from tunedb.store.opening import open_store

if TYPE_CHECKING:
    from tunedb.metaschedule.database import tvm_database
    from tunedb.metaschedule.stack import align_stack

__all__ = ["Store", "align_stack", "open_store", "tvm_database"]

# `import tunedb` pays neither for TVM nor for Arrow.
__getattr__ = imported_late(
    __name__, {"align_stack": "tunedb.metaschedule.stack", "tvm_database": "tunedb.metaschedule.database"}
)
