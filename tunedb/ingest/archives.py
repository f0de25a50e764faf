"""The files of folders, tar and zip archives as streams of text or bytes, whatever compresses them."""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from typing_extensions import override

from tunedb.errors import BadInputError, DamagedError
from tunedb.ingest.databases import log_tables
from tunedb.ingest.formats.detect import HEAD_BYTES, SQLITE, plain_name
from tunedb.ingest.lines import as_utf8, encoding_of
from tunedb.ingest.names import written
from tunedb.ingest.unpack import MAGIC_BYTES, READ_ERRORS, Unpacked, check_size, compression_of, reason_of

_BLOCK_BYTES = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s3H16s2H")  # of a zip member: magic, version, flags, method, ..., lengths
_EMPTY_ZIP_BYTES = 22
_IS_ENCRYPTED, _IS_UTF8 = 0x1, 0x800  # flags of a zip member


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


def _limited(stream: io.BufferedReader, limit: int | None) -> io.BufferedReader:
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
            yield as_utf8(_limited(stream, limit), is_cut=limit is not None)

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


class _Member(tarfile.TarInfo):
    """A member whose header is believed only if its checksum holds. `tarfile` takes a bad one for the archive's end."""

    @classmethod
    @override
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        state = cast(Any, tarfile_)
        place = state.offset
        try:
            member = super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            state.has_end = True
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            if getattr(state, "has_end", False):
                raise
            raise DamagedError("the archive is cut off", good_bytes=place, is_cut=True) from error
        except tarfile.HeaderError as error:
            is_cut = isinstance(error, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]
            what = "is cut off" if is_cut else f"has a damaged header at byte {place:,} ({error})"
            raise DamagedError(f"the archive {what}", good_bytes=place, is_cut=is_cut) from error
        state.has_end = False
        return member


@dataclass(frozen=True, slots=True)
class Tar(Container):
    """Members of a tar archive, compressed or not, read in one pass. What follows its end is read as one more."""

    uri: str
    path: Path
    limit: int | None = None  # how much of its content is read

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        try:
            yield from self._files(only)
        except READ_ERRORS as error:
            if self.limit is None:
                if isinstance(error, BadInputError):
                    raise
                raise DamagedError(f"the archive cannot be read: {reason_of(error)}") from error

    def _files(self, only: Collection[str] | None) -> Iterator[LogFile]:
        with self.path.open("rb") as raw:
            content = _limited(unpacked(raw)[0], self.limit)
            with tarfile.open(fileobj=content, mode="r|", tarinfo=_Member, ignore_zeros=True) as archive:
                try:
                    for member in archive:
                        name = plain_name(member.name)
                        if member.isfile() and (only is None or name in only):
                            uri = f"{written(self.uri)}!{written(member.name)}"
                            yield LogFile(uri, name, _tar_opener(archive, member))
                except tarfile.ReadError as error:  # within a member
                    place = cast(Any, archive.fileobj).pos
                    raise DamagedError("the archive is cut off", good_bytes=place, is_cut=True) from error
            while content.read1(_BLOCK_BYTES):  # the compressed stream's checksum comes last
                pass

    @override
    def up_to(self, good_bytes: int) -> Container:
        return Tar(self.uri, self.path, good_bytes)


def _tar_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        stream = archive.extractfile(member)
        if stream is None:
            raise OSError("not a regular file")
        return cast(BinaryIO, stream)

    return open_member


@dataclass(frozen=True, slots=True)
class Zip(Container):
    """Members of a zip archive."""

    uri: str
    path: Path

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        try:
            with self.path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
                end = raw.seek(0, io.SEEK_END)
                if not archive.infolist() and end > _EMPTY_ZIP_BYTES + len(archive.comment):
                    raise DamagedError("the archive's directory is empty, and the archive is not")
                for member in archive.infolist():
                    _check_directory(raw, member)
                for member in archive.infolist():
                    full = _zip_name(member)
                    name = plain_name(full)
                    if not member.is_dir() and (only is None or name in only):
                        uri = f"{written(self.uri)}!{written(full)}"
                        yield LogFile(uri, name, _zip_opener(archive, member), is_summed=True)
        except BadInputError:
            raise
        except (*READ_ERRORS, struct.error, NotImplementedError) as error:
            raise DamagedError(f"the archive cannot be read: {reason_of(error)}") from error


def _check_directory(raw: BinaryIO, member: zipfile.ZipInfo) -> None:
    """Whether a member's own header says what the archive's directory says: that has no checksum."""
    raw.seek(member.header_offset)
    magic, _, flags, method, _, length, _ = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    name = raw.read(length).decode("utf-8" if flags & _IS_UTF8 else "cp437")
    if (magic, flags, method, name) != (b"PK\3\4", member.flag_bits, member.compress_type, member.orig_filename):
        raise DamagedError(f"the archive's directory does not fit its members ({written(member.filename)})")


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Without the flag for UTF-8 it is of any encoding, and `zipfile` reads it as code page 437."""
    if member.flag_bits & _IS_UTF8:
        return member.filename
    return member.filename.encode("cp437", "replace").decode("utf-8", "surrogateescape")


def _zip_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        if member.flag_bits & _IS_ENCRYPTED:
            raise OSError("it is encrypted")
        check_size(member.file_size, member.compress_size)
        return cast(BinaryIO, archive.open(member))

    return open_member
