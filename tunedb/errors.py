"""Every error that tunedb raises on purpose.

    TunedbError
    |-- UsageError (ValueError)            the caller asked for something that makes no sense
    |-- NotFoundError (LookupError)        no such workload, target, trial, model or store
    |   `-- AmbiguousPrefixError           a hash prefix that fits more than one thing
    |-- BadInputError (ValueError)         a file or record that cannot be read
    |   `-- DamagedError                   a file or archive that is cut off, or does not hold what its checksums say
    |-- StoreError (OSError)               the store cannot be opened, read or written
    |   |-- StoreSchemaError               the store was written by another schema version
    |   `-- StoreAwayError                 the service that keeps the store cannot be reached, or is too busy
    |-- AccessError (PermissionError)      a service refuses: no token, an unknown one, or one that may not
    |-- ModelError (ValueError)            a saved cost model is missing a part, foreign or tampered with
    |-- FeatureError (RuntimeError)        a candidate's features cannot be computed
    |-- ChildDiedError (ChildProcessError) a child process ended or fell silent before it had answered
    `-- MeasurementError (RuntimeError)    this machine cannot build or run candidates
        `-- UnreachableError               the machines that were to run them cannot be reached

A failed trial is not an error but a value: see `tunedb.records.Outcome`. What a service would else have to read out of
an error's text stands in typed attributes beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_OS_ERROR = re.compile(r"\(os error (\d+)\)|Os \{ code: (\d+)")
_ARROW = "\x1b[31m↳\x1b[0m"
_LONGEST_LINE = 500  # of characters: a line of a compiler's may hold a whole program


class TunedbError(Exception):
    """Root of all errors that tunedb raises on purpose; its text is meant for the user."""


class UsageError(TunedbError, ValueError):
    """The caller asked for something that makes no sense (an unknown strategy, a negative count)."""


class NotFoundError(TunedbError, LookupError):
    """There is no such workload, target, trial, model or store.

    Args:
        text: the message for the user.
        kind: what kind of thing was asked for: "workload", "target", "record", "module", "model", "store", "version",
            "table", "file"; "" where none is named.
        asked: what was asked for, as the caller wrote it; "" where there is no such text.
    """

    def __init__(self, text: str = "", *, kind: str = "", asked: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.asked = asked


class AmbiguousPrefixError(NotFoundError):
    """A hash prefix fits more than one thing; the message lists some of them.

    Args:
        text: the message for the user.
        kind: what kind of thing was asked for, as in `NotFoundError`.
        asked: the prefix, as the caller wrote it.
        matches: the whole ids (of models the names) of what it fits, as many as the search for them looked at.
    """

    def __init__(self, text: str = "", *, kind: str = "", asked: str = "", matches: Sequence[str] = ()) -> None:
        super().__init__(text, kind=kind, asked=asked)
        self.matches = tuple(matches)


class BadInputError(TunedbError, ValueError):
    """A file or record cannot be read; the message says what, where and why."""


class DamagedError(BadInputError):
    """A file or archive is cut off, or does not hold what its checksums say.

    Args:
        text: the message for the user.
        good_bytes: how much of its content can be believed, from its beginning.
        is_cut: whether nothing is wrong but that its end is missing.
    """

    def __init__(self, text: str = "", *, good_bytes: int = 0, is_cut: bool = False) -> None:
        super().__init__(text)
        self.good_bytes = good_bytes
        self.is_cut = is_cut


class StoreError(TunedbError, OSError):
    """The store cannot be opened, read or written."""


class StoreSchemaError(StoreError):
    """The store was written by another schema version of tunedb.

    Args:
        text: the message for the user.
        found: the schema version that the store has; None where it is no store of tunedb's.
        expected: the schema version that this tunedb reads.
    """

    def __init__(self, text: str = "", *, found: int | None = None, expected: int | None = None) -> None:
        super().__init__(text)
        self.found = found
        self.expected = expected


class StoreAwayError(StoreError):
    """The service that keeps the store cannot be reached, or takes nothing at present: later it may.

    Args:
        text: the message for the user.
        retry_after_secs: when it is worth another try, as far as the service said so.
    """

    def __init__(self, text: str = "", *, retry_after_secs: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_secs = retry_after_secs


class AccessError(TunedbError, PermissionError):
    """A service refuses what was asked: there was no token, it is not known (any more), or its scope is too small.

    Args:
        text: the message for the user.
        wanted: the scope that it takes: "read", "write" or "admin"; "" where no token is known at all.
    """

    def __init__(self, text: str = "", *, wanted: str = "") -> None:
        super().__init__(text)
        self.wanted = wanted


class ModelError(TunedbError, ValueError):
    """A saved cost model is missing a part, foreign or tampered with."""


class FeatureError(TunedbError, RuntimeError):
    """A candidate's features cannot be computed."""


class ChildDiedError(TunedbError, ChildProcessError):
    """A child process ended, fell silent or was closed before it had answered; the message says which."""


class MeasurementError(TunedbError, RuntimeError):
    """This machine cannot build or run candidates."""


class UnreachableError(MeasurementError):
    """The machines that were to run candidates cannot be reached: no tracker, or no server of it."""


def kind_of(error: TunedbError) -> str:
    """The error's kind, for machines: the name of its class, "not-found" for `NotFoundError`."""
    words = re.findall("[A-Z][a-z]*", type(error).__name__.removesuffix("Error"))
    return "-".join(words).lower()


def first_line(error: BaseException) -> str:
    """What went wrong in one line, of errors that say it first and then how they came to it: DuckDB's, Delta Lake's.

    Where the operating system refused something, its word is the cause, however deep a library has wrapped it.
    """
    text = str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) + ("" if error.filename is None else f": {error.filename}")
    if found := _OS_ERROR.search(text):
        return os.strerror(int(found[1] or found[2]))
    if _ARROW in text:  # Delta Lake's way to say "because"
        return text.rpartition(_ARROW)[2].strip()
    return _lines(error)[0]


def last_line(error: BaseException) -> str:
    """What went wrong in one line, of errors that say it last, after a stack trace or a program: TVM's, a worker's."""
    return _lines(error)[-1][:_LONGEST_LINE]


def _lines(error: BaseException) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
