"""How long this thread waited for a core: what other programs on the machine took of a measurement."""

from __future__ import annotations

import os

_FILE = "/proc/thread-self/schedstat"  # nanoseconds run, nanoseconds waited for a processor, how often it ran


class Waiting:
    """The time that the thread which makes it has waited for a processor, by Linux's own account."""

    def __init__(self) -> None:
        try:
            self._descriptor: int | None = os.open(_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # another system, or a kernel that keeps no account
            self._descriptor = None

    def secs(self) -> float:
        """The seconds waited so far; 0 where the system does not tell."""
        if self._descriptor is None:
            return 0.0
        fields = os.pread(self._descriptor, 100, 0).split()
        return int(fields[1]) / 1e9 if len(fields) == 3 else 0.0

    def close(self) -> None:
        """Lets go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
