"""What keeps a process that runs for months from growing: few heaps, and free memory given back.

The C library gives each thread a heap of its own, up to eight a core. Each keeps what its largest request took.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

_ARENA_MAX = -8  # M_ARENA_MAX of glibc
_HEAPS = 2
_EVERY_SECS = 30.0


@cache
def _library() -> Any:
    """The C library; None where it is not glibc."""
    try:
        found = ctypes.CDLL(None)
        return found if hasattr(found, "malloc_trim") and hasattr(found, "mallopt") else None
    except OSError:
        return None


def few_heaps() -> None:
    """From now on, threads share two heaps."""
    if (library := _library()) is not None:
        library.mallopt(_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Gives free memory back to the system."""
    if (library := _library()) is not None:
        library.malloc_trim(0)


def give_back_now_and_then() -> None:
    """Does so in a thread, as long as the process runs."""

    def work() -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY_SECS):
            give_back()

    threading.Thread(target=work, name="tunedb-memory", daemon=True).start()
