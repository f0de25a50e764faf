"""What a worker process said before it died: the cause of a candidate's failure, out of the noise around it. No TVM."""

from __future__ import annotations

import os
import re

_KEPT_BYTES = 1 << 16  # of the end
_LONGEST = 300
_SIGNALS = {  # as faulthandler, glibc or TVM write it
    r"Segmentation fault|Segfault": "segmentation fault",
    r"Illegal instruction": "illegal instruction: is the target this machine's?",
    r"Floating point exception|Floating-point exception": "arithmetic fault, such as a division by zero",
    r"Bus error": "bus error",
    r"Aborted": "abort",
}
_FATAL = re.compile("Fatal Python error: (.*)|!+ TVM encountered a (.*?) !+|!+ *(.*?) encountered *!+")
# What tells more than the signal that it ends in.
_CAUSES = re.compile(
    r"Symbols not found: .*|undefined symbol: .*|LLVM ERROR: .*|what\(\): .*|.*No space left on device.*"
    r"|(?:double free|free\(\)|malloc|corrupted|munmap_chunk|\*\*\* ).*|.*[Oo]ut of memory.*|.*std::bad_alloc.*"
)


class LastWords:
    """A file in memory that a process writes to as its standard error, and its parent reads when it has died."""

    def __init__(self) -> None:
        import fcntl

        self.descriptor = os.memfd_create("last-words")
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, os.O_APPEND)  # so that it can be emptied while it is written to

    def forget(self) -> None:
        """Empties it: what was said belongs to an earlier task."""
        os.ftruncate(self.descriptor, 0)

    def read(self) -> str:
        """What was said last."""
        size = os.fstat(self.descriptor).st_size
        said = os.pread(self.descriptor, _KEPT_BYTES, max(0, size - _KEPT_BYTES))
        return said.decode(errors="replace")

    def close(self) -> None:
        """Frees it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def cause_of_death(said: str) -> str:
    """Why a process died, in one line, by what it wrote to its standard error."""
    fatal = "".join(filter(None, (match for found in _FATAL.findall(said) for match in found)))
    signal = next((name for pattern, name in _SIGNALS.items() if re.search(pattern, fatal)), "")
    causes = [found[0].strip() for found in map(_CAUSES.search, said.splitlines()) if found]
    how = f"its process crashed ({signal})" if signal else "its process ended"
    return f"{how}: {causes[-1]}"[:_LONGEST] if causes else how
