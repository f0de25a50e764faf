"""The text of logs: whatever encoding it has, as UTF-8, line by line or in blocks of lines."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any, cast

from typing_extensions import override

from tunedb.errors import BadInputError
from tunedb.ingest.formats.detect import HEAD_BYTES
from tunedb.ingest.unpack import READ_ERRORS, reason_of

MAX_LINE_BYTES = 64 << 20
_READ_BYTES = 1 << 16  # damage takes a whole read
_BLOCK_BYTES = 1 << 20

# By what a text begins with. Without a byte order mark, the zeros of a log's first character tell (RFC 4627).
_FIRST = rb"[\[{# \t\r\n]"
_ENCODINGS = (
    ("utf-8-sig", re.compile(rb"\xef\xbb\xbf")),
    ("utf-32", re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff")),
    ("utf-16", re.compile(rb"\xff\xfe|\xfe\xff")),
    ("utf-32-le", re.compile(_FIRST + rb"\0\0\0", re.DOTALL)),
    ("utf-32-be", re.compile(rb"\0\0\0" + _FIRST, re.DOTALL)),
    ("utf-16-le", re.compile(_FIRST + rb"\0[^\0]", re.DOTALL)),
    ("utf-16-be", re.compile(rb"\0" + _FIRST + rb"\0[^\0]", re.DOTALL)),
)


class _Utf8(io.RawIOBase):
    """The text of a stream in UTF-8."""

    def __init__(self, stream: io.BufferedReader, encoding: str, *, is_cut: bool) -> None:
        super().__init__()
        self._stream, self._is_cut = stream, is_cut
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = self._stream.read1(_READ_BYTES)
            self._rest = self._decoder.decode(piece, final=not piece and not self._is_cut).encode()
            if not piece:
                break
        given, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


def as_utf8(stream: io.BufferedReader, *, is_cut: bool = False) -> io.BufferedReader:
    """Reads a stream's text as UTF-8.

    Args:
        stream: a stream in UTF-8, UTF-16 or UTF-32, with or without a byte order mark; or one that is no text.
        is_cut: whether its last character may be incomplete; it is left out then.

    Returns:
        The stream of the same text in UTF-8, without a mark. Reading it may raise `UnicodeDecodeError`.
    """
    encoding = encoding_of(stream.peek(4)[:4])
    if not encoding:
        return stream
    return io.BufferedReader(cast(io.RawIOBase, _Utf8(stream, encoding, is_cut=is_cut)), HEAD_BYTES)


def encoding_of(head: bytes) -> str:
    """The encoding that a text's first four bytes tell; "" for UTF-8 without a mark, and for what is no text."""
    return next((encoding for encoding, pattern in _ENCODINGS if pattern.match(head)), "")


def is_text(head: bytes) -> bool:
    """Whether a file's first bytes are text in UTF-8; a last character may be incomplete."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def numbered_lines(stream: io.BufferedReader, *, only_whole: bool = False) -> Iterator[tuple[int, bytes]]:
    """Reads a stream line by line.

    Args:
        stream: the stream of a file's text.
        only_whole: whether a last line without its end is left out.

    Yields:
        The number of a line, from 1, and the line.

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
            raise BadInputError(f"cannot be read on after line {number}: {reason_of(error)}") from error
        if not line or (only_whole and not line.endswith(b"\n")):
            return
        number += 1
        yield number, line


def line_blocks(stream: io.BufferedReader, *, only_whole: bool = False) -> Iterator[tuple[int, bytes]]:
    """Reads a stream in blocks of whole lines.

    Args:
        stream: the stream of a file's text.
        only_whole: whether a last line without its end is left out.

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
            damage = reason_of(error)
        ended = not piece
        pieces.append(piece)
        size += len(piece)
        if size < _BLOCK_BYTES and not ended:
            continue
        block = b"".join(pieces)
        end = len(block) if ended and not damage and not only_whole else block.rfind(b"\n") + 1
        rest = block[end:]
        if len(rest) > MAX_LINE_BYTES:
            rest = rest[:HEAD_BYTES] + b"\0"  # no longer JSON: the reader will say so
        pieces, size = [rest], 0
        if end:
            yield first, block[:end]
            first += block.count(b"\n", 0, end)
    if damage:
        raise BadInputError(f"cannot be read on after line {first - 1}: {damage}")
