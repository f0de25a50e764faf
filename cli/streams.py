"""The standard streams: always there, results apart from what libraries write, and flushed in the end."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from typing_extensions import override


class _Closed(io.StringIO):
    """Stands for a standard output that was closed before the command began."""

    @override
    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, "it is closed")


def prepare_streams(*, with_libraries: bool) -> None:
    """Makes standard input, output and error usable, and keeps what libraries write away from what the command says.

    A descriptor that was closed would be given to the next file that is opened, a table of the store say, so it is
    made to lead nowhere. Compiled libraries and child processes write to descriptors 1 and 2: a compiler's messages
    would stand in the middle of JSON, and a panic of Delta Lake's or a candidate's stack trace before the one line that
    says what went wrong. Python's own `sys.stdout` and `sys.stderr` get descriptors that they do not know.

    Args:
        with_libraries: whether what libraries write is shown on stderr, and not dropped.
    """
    was_closed = [not _is_open(descriptor) for descriptor in range(3)]
    for descriptor in range(3):
        if was_closed[descriptor]:
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)  # the lowest that is free
    if was_closed[0]:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if was_closed[1]:
        sys.stdout = _Closed()
    else:
        sys.stdout = open(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    sys.stderr = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    if not with_libraries:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    os.dup2(2, 1)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def is_silenced(error: OSError) -> bool:
    """Whether nobody reads what is written any more (`| head`), which is no error."""
    return isinstance(error, BrokenPipeError)


def silence(stream: TextIO) -> TextIO:
    """What to write to instead of a stream that takes nothing any more: the interpreter flushes it once more at exit.

    Args:
        stream: the stream that failed. What it still holds is lost.
    """
    with suppress(OSError, ValueError):
        handle = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, handle)
        os.close(nowhere)
        return stream
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
