"""How many threads TVM's runtime has in this process: those that programs were tuned for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.session import Session

_VARIABLE = "TVM_NUM_THREADS"


def run_on(run: Session, number: int) -> None:
    """Lets TVM's runtime have so many threads, unless somebody has said how many; to be called before it is loaded.

    Args:
        run: Is told where that is not what programs are, or were, tuned for.
        number: The threads.
    """
    from search.measure.cores import keep_threads_in_place

    told = os.environ.setdefault(_VARIABLE, str(number))  # the runtime reads it once
    if told != str(number):
        run.progress.note(f"{_VARIABLE} is {told}, but programs are for {number} threads")
    usable = len(os.sched_getaffinity(0))
    if number > usable:
        run.progress.note(f"programs are for {number} threads, and may use {usable} of this machine's processors")
    keep_threads_in_place()
