"""Cores as people name them, and binding this process to them."""

from __future__ import annotations

import os
import re

from tunedb.errors import UsageError

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def parse_cores(text: str) -> tuple[int, ...]:
    """The cores of a list such as "0-3,6", in order, each once.

    Raises:
        UsageError: It is no such list.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UsageError(f"cores are a list such as 0-3,6, not {text!r}")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


def bind_to(cores: tuple[int, ...]) -> None:
    """Binds this process, and all that it starts from now on, to cores.

    Raises:
        UsageError: This process may not use one of them.
    """
    missing = sorted(set(cores) - os.sched_getaffinity(0))
    if missing:
        usable = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        raise UsageError(f"core {missing[0]} is none that this process may use (those are {usable})")
    os.sched_setaffinity(0, cores)


def keep_threads_in_place() -> None:
    """Keeps TVM's threads on the cores that this process may use, where these are not all.

    TVM binds each of its threads to a core by its number, from 0 on, whatever the process may use.
    """
    if len(os.sched_getaffinity(0)) < (os.cpu_count() or 1):
        os.environ["TVM_BIND_THREADS"] = "0"
