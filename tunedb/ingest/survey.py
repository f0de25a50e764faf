"""The first look at a container: what each of its files is, and whether it can be believed.

A file that has checksums is read to its end here, before anything of it is used: of a damaged one nothing is, unless
what precedes the damage is asked for. A file that has none is no better and no worse than plain text, which has none
either: of a compressed one each line must at least be JSON.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

import msgspec

from tunedb.errors import BadInputError, DamagedError
from tunedb.ingest.containers import Container, LogFile, spooled
from tunedb.ingest.formats.detect import (
    COMPRESSED_SUFFIXES,
    HEAD_BYTES,
    RECORD_FORMATS,
    RESULTS,
    TABLES,
    Format,
    detect,
    foreign_name,
    looks_like_a_log,
)
from tunedb.ingest.lines import MAX_LINE_BYTES, as_utf8, is_text
from tunedb.ingest.tables import TrialTable, holds_trials
from tunedb.ingest.unpack import READ_ERRORS, Unpacked, reason_of

_KEPT_BYTES = 1 << 10  # of the head of each file
_LOGS = (*RECORD_FORMATS, Format.WORKLOADS, Format.ORIGINS, *TABLES, *RESULTS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file of a container."""

    uri: str
    name: str
    form: Format = Format.UNKNOWN
    head: bytes = b""
    fault: str = ""  # why it cannot be believed, or not be read
    good_bytes: int | None = None  # what can be believed of its content, in whole lines; None: all
    is_unchecked: bool = False  # whether it is compressed without a checksum

    @property
    def is_log(self) -> bool:
        """Whether it is of a format that is read."""
        return self.form in _LOGS

    @property
    def looks_like_a_log(self) -> bool:
        """Whether its name promises a log, or what it is."""
        return self.form is Format.SQLITE or looks_like_a_log(self.uri)

    @property
    def otherwise(self) -> str:
        """What it is if it is no log."""
        if self.form is Format.SQLITE:
            return "a database without tuning records"
        return "not a tuning log" if self.head else "an empty file"

    def detail(self, *, is_salvaged: bool) -> dict[str, object]:
        """What its source says of how it was read.

        Args:
            is_salvaged: whether its container is damaged.
        """
        told: dict[str, object] = {"salvaged": True} if is_salvaged or self.good_bytes is not None else {}
        return {**told, **({"checksum": "none"} if self.is_unchecked else {})}


@dataclass(slots=True)
class Survey:
    """All files of a container."""

    container: Container  # to be read on: without what is damaged
    files: list[Seen] = field(default_factory=list)
    fault: str = ""  # why the container cannot be believed
    is_salvaged: bool = False  # whether it is damaged, and `files` are what precedes the damage


def survey(container: Container, *, salvage: bool) -> Survey:
    """Looks at all files of a container, and compares all checksums.

    Args:
        container: the container.
        salvage: whether what precedes damage is wanted.

    Returns:
        What was found. Of a damaged container the files are left out, or those that precede the damage.
    """
    found = Survey(container)
    try:
        found.files.extend(_seen(file, salvage=salvage) for file in container.files())
    except BadInputError as error:
        found.fault = str(error)
        found.files.clear()
        if salvage and isinstance(error, DamagedError) and error.good_bytes:
            found.container = container.up_to(error.good_bytes)
            found.is_salvaged = True
            found.files.extend(_seen(file, salvage=True) for file in found.container.files())
        elif isinstance(error, DamagedError):
            good = error.good_bytes
            found.fault += (
                ": nothing of it is stored (--salvage stores what precedes)"
                if good
                else ": nothing of it can be told good"
            )
    return found


def _seen(file: LogFile, *, salvage: bool) -> Seen:
    seen = Seen(file.uri, file.name)
    try:
        with file.open_unpacked() as (stream, content):
            text = as_utf8(stream)
            try:
                head = text.peek(HEAD_BYTES)[:HEAD_BYTES]
                seen = replace(seen, form=detect(file.name, head), head=head[:_KEPT_BYTES])
                if seen.form in TABLES:
                    return _table(file, seen, text)
                if seen.is_log and (content is not None or file.is_summed):
                    _read_through(text, content, salvage=salvage or seen.form in RESULTS)
            except READ_ERRORS as error:
                return _damaged(seen, error, salvage=salvage)
            seen = replace(seen, is_unchecked=content is not None and content.is_unchecked)
    except BadInputError as error:
        return _damaged(seen, error, salvage=salvage)
    if seen.form is Format.SQLITE and (file.path is None or content is not None):
        return replace(seen, fault="a database is read only where it lies in a folder as it is")
    if seen.form is Format.FOREIGN:
        return replace(seen, fault=f"it is {foreign_name(seen.head)}, which is not read")
    if content is None and not seen.head and seen.uri.endswith(COMPRESSED_SUFFIXES):
        return replace(seen, fault="it is empty, which nothing that is compressed is")
    if seen.form is Format.UNKNOWN and seen.looks_like_a_log and not is_text(seen.head):
        return replace(seen, fault="it is neither text nor packed in a way that is known")
    return seen


def _table(file: LogFile, seen: Seen, stream: io.BufferedReader) -> Seen:
    """A table, if it has trials' columns. Damage is told by its being read to its end."""
    with spooled(file, stream) as path:
        if not holds_trials(path, seen.form):
            return replace(seen, form=Format.UNKNOWN)
        TrialTable(path, seen.form).check()
    return seen


def _read_through(text: io.BufferedReader, content: Unpacked | None, *, salvage: bool) -> None:
    """Reads a text to its end, where its checksum is compared; where there is none, each line must be JSON."""
    number = 0
    while line := text.readline(MAX_LINE_BYTES):
        number += 1
        if content is None or not content.is_unchecked or salvage or not line.strip() or line.startswith(b"#"):
            continue
        try:
            line.decode()
            msgspec.json.decode(line, type=msgspec.Raw)
        except ValueError as error:
            reason = f"it was compressed without a checksum, and line {number:,} is damaged"
            raise BadInputError(
                f"{reason}: nothing of it is stored (--salvage stores the lines that are not)"
            ) from error


def _damaged(seen: Seen, error: BaseException, *, salvage: bool) -> Seen:
    """A file that cannot be read to its end."""
    reason = reason_of(error)
    if not isinstance(error, DamagedError):
        return replace(seen, fault=reason, good_bytes=0)
    if not error.good_bytes:
        return replace(seen, fault=f"{reason}: nothing of it can be told good", good_bytes=0)
    hint = "what precedes it is stored" if salvage else "nothing of it is stored (--salvage stores what precedes it)"
    return replace(seen, fault=f"{reason}: {hint}", good_bytes=error.good_bytes if salvage else 0)
