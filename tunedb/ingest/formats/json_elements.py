"""The elements of one array or object in a large JSON document, each with its line: what is broken costs no other.

A parser of whole documents gives nothing of one that was cut off, or that has a bad element. Here brackets and texts
are told apart, and no more; what an element says is for its reader to decode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from tunedb.errors import BadInputError

# A text ends in its line, if it ends: JSON has no line ends in texts.
_TOKEN = re.compile(rb'"(?:[^"\\\n]++|\\.)*+(?:(")|\\?(?=\n|\Z))|[\[\]{}]')
_KEY = re.compile(rb'("(?:[^"\\\n]++|\\.)*+")\s*+:\s*+')
_SCALAR = re.compile(rb"[^,\[\]{}:\s]+")
_BETWEEN = re.compile(rb"[\s,]*")
_CLOSING = {b"[": b"]", b"{": b"}"}
_COST = 64  # of a damaged element, in bytes, besides those that are read
_READINGS = 8  # how often a byte is read at most, on average, in search of where what is damaged ends


@dataclass(frozen=True, slots=True)
class Element:
    """An element as it stands in the document."""

    place: int  # from 0
    line: int  # where it begins, from 1
    key: str  # "" in an array
    content: bytes
    fault: str = ""  # why it cannot be told where it ends; what is in `content` may be no JSON in any case


@dataclass(slots=True)
class Document:
    """What a document holds."""

    members: dict[str, bytes] = field(default_factory=dict)  # all but the one that was asked for, undecoded
    elements: list[Element] = field(default_factory=list)
    is_closed: bool = False  # whether all brackets are


def read_document(text: bytes, wanted: str, beginning: re.Pattern[bytes]) -> Document:
    """Takes a document apart.

    Args:
        text: a JSON object, whole or cut off.
        wanted: the name of the member whose elements are asked for.
        beginning: matches where an element begins; after a damaged one, reading goes on at the next match.

    Raises:
        BadInputError: it is no object, or the members around the wanted one are damaged.
    """
    return _Reader(text, beginning).document(wanted)


def swallowed(element: Element, beginning: re.Pattern[bytes]) -> list[Element]:
    """The entries within a bad one that has no end of its own, and so holds those that follow it.

    Args:
        element: an entry of an object.
        beginning: as in `read_document`.
    """
    found = beginning.search(element.content, 1)
    if found is None:
        return []
    reader = _Reader(b"{" + element.content[found.start() :], beginning)
    reader.body(element.line + element.content.count(b"\n", 0, found.start()))
    return reader.found.elements


class _Reader:
    def __init__(self, text: bytes, beginning: re.Pattern[bytes]) -> None:
        self._text = text
        self._beginning = beginning
        self.found = Document()
        self._budget = _READINGS * len(text)
        self._line, self._counted = 1, 0

    def document(self, wanted: str) -> Document:
        text, at = self._text, self._next(0)
        if text[at : at + 1] != b"{":
            raise BadInputError("not a JSON object")
        at = self._next(at + 1)
        while text[at : at + 1] not in (b"", b"}"):
            name = _KEY.match(text, at)
            if name is None:
                raise BadInputError(f"line {self._line_of(at)}: not a JSON object: no member begins here")
            key, at = _decoded(name[1]), name.end()
            if key == wanted and text[at : at + 1] in _CLOSING:
                at = self._elements(at)
            else:
                end, fault = self._end(at)
                if fault:
                    raise BadInputError(f"line {self._line_of(at)}: {key!r} is damaged: {fault}")
                self.found.members[key] = text[at:end]
                at = end
            at = self._next(at)
        self.found.is_closed = text[at : at + 1] == b"}"
        rest = self._next(at + 1)
        if rest < len(text):
            self._add(rest, len(text), "", "it follows the end of the document")
        return self.found

    def body(self, line: int) -> None:
        """Reads entries of an object whose end may be missing; the first one stands in this line."""
        self._line = line
        self._elements(0)

    def _elements(self, at: int) -> int:
        """Reads a container's elements; gives what comes after it."""
        text = self._text
        has_keys = text[at : at + 1] == b"{"
        closing = _CLOSING[text[at : at + 1]]
        at = self._next(at + 1)
        while at < len(text):
            if text[at : at + 1] == closing:
                return at + 1
            begin, key, fault, end = at, "", "", at
            if has_keys:
                name = _KEY.match(text, at)
                if name is None:
                    fault = "no entry begins here"
                else:
                    key, at = _decoded(name[1]), name.end()
            if not fault:
                end, fault = self._end(at)
            if fault:
                following = self._beginning.search(text, begin + 1) if self._budget > 0 else None
                end = len(text) if following is None else following.start()
                self._add(begin, end, key, fault)
            else:
                self._add(at, end, key)
            at = self._next(end)
        return at

    def _add(self, begin: int, end: int, key: str, fault: str = "") -> None:
        found = self.found.elements
        found.append(Element(len(found), self._line_of(begin), key, self._text[begin:end], fault))

    def _end(self, at: int) -> tuple[int, str]:
        """Where the value that begins at a place ends, or why it cannot be told."""
        text = self._text
        if text[at : at + 1] not in (b"[", b"{", b'"'):
            scalar = _SCALAR.match(text, at)
            return (at, "no value begins here") if scalar is None else (scalar.end(), "")
        expected, last = bytearray(), at
        for token in _TOKEN.finditer(text, at):
            sign = token[0]
            if sign[:1] == b'"':
                if token[1] is None:
                    break
            elif sign in _CLOSING:
                expected += _CLOSING[sign]
            elif expected[-1:] != sign:
                self._budget -= token.end() - at + _COST
                return at, f"a bracket too few or too many in line {self._line_at(token.start())}"
            else:
                expected.pop()
            if not expected:
                return token.end(), ""
            last = token.end()
        self._budget -= last - at + _COST
        return at, "it is cut off, or damaged"

    def _next(self, at: int) -> int:
        """The next place that is neither white space nor a comma."""
        found = _BETWEEN.match(self._text, at)
        return at if found is None else found.end()

    def _line_of(self, at: int) -> int:
        """The line of a place that is not before one that was asked for earlier."""
        self._line += self._text.count(b"\n", self._counted, at)
        self._counted = max(at, self._counted)
        return self._line

    def _line_at(self, at: int) -> int:
        return self._line + self._text.count(b"\n", self._counted, at)


def _decoded(name: bytes) -> str:
    try:
        return msgspec.json.decode(name, type=str)
    except ValueError:
        return name[1:-1].decode("utf-8", "replace")
