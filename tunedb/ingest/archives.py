"""The bytes of logs as streams: files in folders, compressed ones, and members of tar archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from typing_extensions import override

from tunedb.errors import BadInputError
from tunedb.ingest.formats.detect import HEAD_BYTES, plain_name

MAX_LINE_BYTES = 64 << 20
_READ_BYTES = 1 << 16  # damage in a compressed file takes a whole read
_BLOCK_BYTES = 1 << 20
# What reading a damaged file may raise: the file system, the decompressors, and Arrow's (a ValueError).
READ_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that may be a log. Of an archive, it can be opened only until the next one is asked for."""

    uri: str  # for people and sources: "logs/a.tar.gz!x/database_workload.json"
    name: str  # within its container, without a compression's suffix
    open_raw: Callable[[], BinaryIO]

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader]:
        """Opens the file.

        Yields:
            Its bytes, decompressed.

        Raises:
            BadInputError: the file cannot be opened.
        """
        try:
            raw = self.open_raw()
        except READ_ERRORS as error:
            raise BadInputError(f"cannot be opened: {_reason(error)}") from error
        try:
            try:
                stream = decompressed(raw)
            except READ_ERRORS as error:
                raise BadInputError(f"cannot be read: {_reason(error)}") from error
            yield stream
        finally:
            raw.close()


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
            BadInputError: the container itself is damaged from here on.
        """


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
            if only is None or name in only:
                yield LogFile(str(path), name, lambda path=path: path.open("rb"))  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Single(Container):
    """One file that goes by another name, such as what came by a pipe."""

    uri: str
    path: Path

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        if only is None or self.uri in only:
            yield LogFile(self.uri, self.uri, lambda: self.path.open("rb"))


@dataclass(frozen=True, slots=True)
class Tar(Container):
    """Members of a tar archive, compressed or not, read in one pass."""

    uri: str
    path: Path

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        try:
            with self.path.open("rb") as raw, tarfile.open(fileobj=decompressed(raw), mode="r|") as archive:
                for member in archive:
                    name = plain_name(member.name)
                    if member.isfile() and (only is None or name in only):
                        yield LogFile(f"{self.uri}!{member.name}", name, _opener(archive, member))
        except READ_ERRORS as error:
            raise BadInputError(f"the archive cannot be read on: {_reason(error)}") from error


def _opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        stream = archive.extractfile(member)
        if stream is None:
            raise OSError("not a regular file")
        return cast(BinaryIO, stream)

    return open_member


def decompressed(raw: BinaryIO) -> io.BufferedReader:
    """Decompresses a stream.

    Args:
        raw: the stream of a file, compressed in any of the known ways, which its first bytes say, or not at all.

    Returns:
        The stream of its content.
    """
    buffered: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, raw), HEAD_BYTES)
    magic = buffered.peek(6)[:6]
    opened: Any
    if magic.startswith(b"\x1f\x8b"):
        opened = gzip.GzipFile(fileobj=buffered)
    elif magic.startswith(b"\xfd7zXZ\x00"):
        opened = lzma.LZMAFile(buffered)  # noqa: SIM115 - the caller closes what is below it
    elif magic.startswith(b"BZh"):
        opened = bz2.BZ2File(buffered)
    elif magic.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        opened = pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), "zstd")
    else:
        return buffered
    return io.BufferedReader(opened, HEAD_BYTES)


def numbered_lines(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Reads a stream line by line.

    Args:
        stream: the stream of a decompressed file.

    Yields:
        The number of a line, from 1, and the line without its end.

    Raises:
        BadInputError: the stream is damaged from here on. The lines before it were good.
    """
    number = 0
    while True:
        try:
            line = stream.readline(MAX_LINE_BYTES)
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                line = line[:HEAD_BYTES] + b"..."  # no longer JSON: the reader will say so
                while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
        except READ_ERRORS as error:
            raise BadInputError(f"cannot be read on after line {number}: {_reason(error)}") from error
        if not line:
            return
        number += 1
        yield number, line


def line_blocks(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Reads a stream in blocks of whole lines.

    Args:
        stream: the stream of a decompressed file.

    Yields:
        The number of a block's first line, from 1, and the block.

    Raises:
        BadInputError: the stream is damaged from here on. The lines before it were good, and given.
    """
    first, pieces, size, damage, ended = 1, list[bytes](), 0, "", False
    while not ended:
        piece = b""
        try:
            piece = stream.read1(_READ_BYTES)
        except READ_ERRORS as error:
            damage = _reason(error)
        ended = not piece
        pieces.append(piece)
        size += len(piece)
        if size < _BLOCK_BYTES and not ended:
            continue
        block = b"".join(pieces)
        end = len(block) if ended and not damage else block.rfind(b"\n") + 1
        rest = block[end:]
        if len(rest) > MAX_LINE_BYTES:
            rest = rest[:HEAD_BYTES] + b"\0"  # no longer JSON: the reader will say so
        pieces, size = [rest], 0
        if end:
            yield first, block[:end]
            first += block.count(b"\n", 0, end)
    if damage:
        raise BadInputError(f"cannot be read on after line {first - 1}: {damage}")


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).splitlines()[0]
