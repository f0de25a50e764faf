"""How an error is told: one line for people, one object for machines."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import Any

from cli.exit_codes import ExitCode, exit_code_of
from cli.output import JsonOutput, StdoutError
from tunedb import errors
from tunedb.errors import TunedbError, last_line

_HINT = " (--debug shows where)"


def told(error: BaseException) -> str:
    """What went wrong, in one line."""
    match error:
        case TunedbError():
            return one_line(str(error)) or type(error).__name__
        case SystemExit():
            return f"code that was loaded called sys.exit({'' if error.code is None else repr(error.code)})"
        case OSError(strerror=str(reason)):
            return one_line(reason if error.filename is None else f"{reason}: {error.filename}")
        case MemoryError():
            return "there is not enough memory"
    text = str(error)
    return f"{type(error).__name__}: {last_line(error) if text.strip() else ''}".rstrip(": ") + _HINT


def one_line(text: str) -> str:
    """A text without line ends and other control characters, which file names may hold."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]+", " ", text).split(" ")).strip()


def kind_of(error: BaseException) -> str:
    """The error's kind, for machines: the name of its class in `tunedb.errors` ("not-found"), or "unexpected"."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if not isinstance(error, TunedbError):
        return "unexpected"
    return errors.kind_of(error)


def status_of(error: BaseException) -> ExitCode:
    """The exit status that an error ends the command with."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return exit_code_of(error) if isinstance(error, Exception) else ExitCode.FAILED


def document(kind: str, message: str, status: int) -> dict[str, Any]:
    """An error as a JSON document."""
    return {"error": {"kind": kind, "message": message, "status": int(status)}}


def show_document(kind: str, message: str, status: int) -> None:
    """Prints an error as JSON on stdout, where its reader waits for the answer. Not where that is what failed."""
    from cli.output import Answer

    with suppress(StdoutError):
        JsonOutput().show(Answer(document(kind, message, status), []))


def complain(text: str) -> None:
    """A line on stderr, if somebody listens there."""
    from cli.streams import silence

    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = silence(sys.stderr)
