"""What the exit status of `tunedb` says, and which error leads to which."""

from __future__ import annotations

from enum import IntEnum

from tunedb.errors import BadInputError, MeasurementError, NotFoundError, UsageError


class ExitCode(IntEnum):
    """Exit statuses; documented in docs/cli.md and never renumbered."""

    OK = 0
    FAILED = 1  # anything without a number of its own: a broken store, a foreign model, a bug
    USAGE = 2
    NOT_FOUND = 3
    BAD_INPUT = 4  # some input was bad; the good part is stored
    CANNOT_MEASURE = 6
    INTERRUPTED = 130  # what was finished is stored


_CODE_OF_ERROR: tuple[tuple[type[Exception], ExitCode], ...] = (
    (UsageError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (BadInputError, ExitCode.BAD_INPUT),
    (MeasurementError, ExitCode.CANNOT_MEASURE),
)


def exit_code_of(error: Exception) -> ExitCode:
    """The exit status that an error ends the command with."""
    return next((code for kind, code in _CODE_OF_ERROR if isinstance(error, kind)), ExitCode.FAILED)
