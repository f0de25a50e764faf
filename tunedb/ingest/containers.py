"""Sets of files that belong together, as streams of text or bytes, whatever compresses them: those of a folder here."""

from __future__ import annotations

import io
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from typing_extensions import override

from tunedb.errors import BadInputError
from tunedb.ingest.databases import log_tables
from tunedb.ingest.formats.detect import HEAD_BYTES, SQLITE, plain_name
from tunedb.ingest.lines import as_utf8, encoding_of
from tunedb.ingest.names import written
from tunedb.ingest.unpack import MAGIC_BYTES, READ_ERRORS, Unpacked, compression_of, reason_of

_BLOCK_BYTES = 1 << 20


class _Limited(io.RawIOBase):
    """The first bytes of a stream."""

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        super().__init__()
        self._stream, self._left = stream, limit

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read1(min(len(buffer), self._left)) if self._left else b""
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)


def limited(stream: io.BufferedReader, limit: int | None) -> io.BufferedReader:
    """A stream without what comes after so many bytes; all of it where no limit is given."""
    if limit is None:
        return stream
    return io.BufferedReader(cast(io.RawIOBase, _Limited(stream, limit)), HEAD_BYTES)


def unpacked(raw: BinaryIO) -> tuple[io.BufferedReader, Unpacked | None]:
    """Decompresses a stream.

    Args:
        raw: the stream of a file, compressed in any of the known ways, which its first bytes say, or not at all.

    Returns:
        The stream of its content, and what decompresses it; None if it is not compressed.
    """
    buffered: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, raw), HEAD_BYTES)
    kind = compression_of(buffered.peek(MAGIC_BYTES))
    if not kind:
        return buffered, None
    content = Unpacked(cast(BinaryIO, buffered), kind)
    return io.BufferedReader(cast(io.RawIOBase, content), HEAD_BYTES), content


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that may be a log. Of an archive, it can be opened only until the next one is asked for."""

    uri: str  # for people and sources: "logs/a.tar.gz!x/database_workload.json"
    name: str  # within its container, without a compression's suffix
    open_raw: Callable[[], BinaryIO]
    path: Path | None = None  # where it lies as it is, if it does
    is_summed: bool = False  # whether reading it to its end compares a checksum, though it is not compressed itself

    @contextmanager
    def open(self, limit: int | None = None) -> Iterator[io.BufferedReader]:
        """Opens the file.

        Args:
            limit: how many of its bytes, decompressed, are read; all by default.

        Yields:
            Its bytes, decompressed; text as UTF-8.

        Raises:
            BadInputError: the file cannot be opened.
        """
        with self.open_unpacked() as (stream, _):
            yield as_utf8(limited(stream, limit), is_cut=limit is not None)

    @contextmanager
    def open_unpacked(self) -> Iterator[tuple[io.BufferedReader, Unpacked | None]]:
        """Opens the file.

        Yields:
            Its bytes, decompressed, and what decompresses them; None if it is not compressed.

        Raises:
            BadInputError: the file cannot be opened.
        """
        try:
            raw = self.open_raw()
        except (*READ_ERRORS, RuntimeError, NotImplementedError) as error:  # the last two: zip's encryption and methods
            raise BadInputError(f"cannot be opened: {reason_of(error)}") from error
        try:
            try:
                stream, content = unpacked(raw)
                stream.peek(1)
            except READ_ERRORS as error:
                if isinstance(error, BadInputError):
                    raise
                raise BadInputError(f"cannot be read: {reason_of(error)}") from error
            yield stream, content
        finally:
            raw.close()


@contextmanager
def spooled(file: LogFile, stream: io.BufferedReader) -> Iterator[Path]:
    """A path under which a file's content can be read anywhere, which its library needs.

    Args:
        file: the file.
        stream: its content, from its beginning.

    Yields:
        Its own path if it lies as it is, else that of a temporary file.
    """
    if file.path is not None and _is_plain(file.path):
        yield file.path
        return
    with tempfile.NamedTemporaryFile(prefix="tunedb-") as copy:
        shutil.copyfileobj(stream, copy, _BLOCK_BYTES)
        copy.flush()
        yield Path(copy.name)


def _is_plain(path: Path) -> bool:
    """Whether a file is neither compressed nor in another encoding."""
    with path.open("rb") as raw:
        head = raw.read(MAGIC_BYTES)
        return not compression_of(head) and not encoding_of(head[:4])


class Container(ABC):
    """A set of files that belong together: those of a folder, or of an archive."""

    uri: str  # what it is called

    @abstractmethod
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        """Goes through the files of the container in a fixed order; may be called again.

        Args:
            only: the names of the files that are wanted; None for all.

        Yields:
            One file after the other.

        Raises:
            BadInputError: the container itself is damaged. That of an archive may come after its last file: nothing
                that was in it can be believed then but what the error says.
        """

    def up_to(self, good_bytes: int) -> Container:
        """The container without what comes after so many bytes of its content."""
        del good_bytes
        return self


@dataclass(frozen=True, slots=True)
class Folder(Container):
    """Files below a folder."""

    uri: str
    root: Path
    paths: tuple[Path, ...]

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        for path in self.paths:
            name = plain_name(path.relative_to(self.root).as_posix())
            yield from (file for file in _files_at(path, written(str(path)), name) if only is None or file.name in only)


@dataclass(frozen=True, slots=True)
class Single(Container):
    """One file that goes by another name, such as what came by a pipe."""

    uri: str
    path: Path

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        yield from (file for file in _files_at(self.path, self.uri, self.uri) if only is None or file.name in only)


def _files_at(path: Path, uri: str, name: str) -> Iterator[LogFile]:
    """The file at a path, or the tables of the database that it is.

    A database's workloads are beside its records as a folder's files are, so that they find each other. Of a file with
    one table it takes the place: the other table may be a file of its own.
    """
    whole = LogFile(uri, name, lambda: path.open("rb"), path)
    try:
        with path.open("rb") as raw:
            is_database = raw.read(len(SQLITE)) == SQLITE
        tables = log_tables(path) if is_database else []
    except BadInputError as error:
        yield LogFile(uri, name, _raising(error), path)
        return
    except OSError:  # it is told when it is read
        tables = []
    if not tables:
        yield whole
    for number, table in enumerate(tables):
        place = name if len(tables) == 1 else f"{name}/{number}"
        yield LogFile(f"{uri}!{table.name}", place, table.open)


def _raising(error: BadInputError) -> Callable[[], BinaryIO]:
    def open_damaged() -> BinaryIO:
        raise error

    return open_damaged
