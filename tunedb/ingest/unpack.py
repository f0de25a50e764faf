"""Decompression that tells what can be believed: gzip, xz, zstd and bzip2, of one member or of several."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, Protocol

from typing_extensions import override

from tunedb.errors import DamagedError

_INPUT_BYTES = 1 << 16
_XZ_MEMORY_BYTES = 256 << 20  # what `xz -9` asks for is a quarter of it
_SMALL_BYTES = 256 << 20  # so much may come of anything
_MOST_TIMES = 1000  # beyond that a file is no larger than so many times its compressed size; logs reach a tenth

_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "bzip2": re.compile(rb"BZh[1-9]"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # the second: a frame to be skipped
}
MAGIC_BYTES = 6  # that tell them apart
# What reading a damaged file may raise: the file system, the decompressors, and Arrow's (a ValueError).
READ_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


class _Member(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """A gzip member in the manner of the others. zlib compares its checksum and its length."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _zstd() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return import_module(name).ZstdDecompressor()


_MAKE: dict[str, Callable[[], _Member]] = {
    "gzip": _Gzip,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES),
    "bzip2": bz2.BZ2Decompressor,
    "zstd": _zstd,
}


def compression_of(head: bytes) -> str:
    """The compression that a file's first `MAGIC_BYTES` bytes tell; "" for none."""
    return next((kind for kind, magic in _MAGIC.items() if magic.match(head)), "")


class Unpacked(io.RawIOBase):
    """The content of a compressed stream, all members after each other.

    A checksum stands behind what it is of: only what was read to its end without an error can be believed.
    """

    def __init__(self, raw: BinaryIO, kind: str) -> None:
        """Begins to read.

        Args:
            raw: the compressed stream; its owner closes it.
            kind: its compression, as `compression_of` tells it.
        """
        super().__init__()
        self.is_unchecked = False  # whether a member was met that has no checksum
        self._raw, self._kind = raw, kind
        self._member: _Member | None = None
        self._input = b""
        self._error: Exception | None = None
        self._has_begun = False
        self._has_ended = False  # the compressed stream
        self._read_bytes = 0
        self._given = 0
        self._believed = 0  # of `_given`: what whole members gave

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        filled = 0
        try:
            while filled < len(buffer) and (piece := self._next(len(buffer) - filled)):
                buffer[filled : filled + len(piece)] = piece
                filled += len(piece)
        except READ_ERRORS as error:
            self._error = error
            if not filled:  # else what came before it is given first
                raise
        return filled

    def _next(self, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        while self._member is not None or self._begins_another():
            member = self._member
            assert member is not None
            if member.needs_input and not self._input:
                self._fill(1)
            given, self._input = self._input, b""
            try:
                piece = member.decompress(given, size)
            except Exception as error:  # each of the libraries has its own
                raise self._damaged(f"the {self._kind} data are damaged ({_text(error)})") from error
            self._given += len(piece)
            self.is_unchecked |= getattr(member, "check", None) == lzma.CHECK_NONE
            if member.eof:
                self._input, self._member = member.unused_data, None
                self._believed = self._given
            check_size(self._given, self._read_bytes)
            if piece:
                return piece
            if self._member is not None and self._has_ended:
                raise DamagedError(f"the {self._kind} data are cut off", good_bytes=self._given, is_cut=True)
        return b""

    def _begins_another(self) -> bool:
        """Whether there is one more member; padding between them is skipped."""
        while True:
            if self._has_begun:
                self._input = self._input.lstrip(b"\0")
            if len(self._input) >= MAGIC_BYTES or self._has_ended:
                break
            self._fill(MAGIC_BYTES)
        if not self._input:
            return False
        self._has_begun = True
        if compression_of(self._input) != self._kind:
            raise self._damaged(f"something else follows the end of the {self._kind} data")
        if self._kind == "zstd" and self._input.startswith(b"\x28"):
            self.is_unchecked |= not int.from_bytes(self._input[4:5]) & 4  # a flag of the frame's header
        self._member = _MAKE[self._kind]()
        return True

    def _fill(self, size: int) -> None:
        while len(self._input) < size and not self._has_ended:
            piece = self._raw.read(_INPUT_BYTES)
            self._input += piece
            self._read_bytes += len(piece)
            self._has_ended = not piece

    def _damaged(self, reason: str) -> DamagedError:
        return DamagedError(reason, good_bytes=self._believed)


def check_size(unpacked_bytes: int, packed_bytes: int) -> None:
    """Whether something unpacks to no more than a log may.

    Raises:
        DamagedError: it does not: it was made to fill a disk, or somebody's time.
    """
    if unpacked_bytes > max(_SMALL_BYTES, _MOST_TIMES * packed_bytes):
        raise DamagedError(f"it unpacks to more than {_MOST_TIMES:,} times its size")


def reason_of(error: BaseException) -> str:
    """Why something cannot be read, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).splitlines()[0]


def _text(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
