"""File names as text that can be stored and printed, whatever bytes they are, and back again."""

from __future__ import annotations

import re

# What is written as \xNN: bytes that are no UTF-8 (surrogates in Python's strings), control characters, and a backslash
# that would else be read as the beginning of such an escape.
_ESCAPED = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f-\x9f]|\\(?=x[0-9a-f]{2})")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def written(name: str) -> str:
    r"""Writes a file name as printable text, without losing anything: `original` reads it back.

    Args:
        name: a name as the operating system gives it to Python.

    Returns:
        The name itself if it is printable; else with each byte of what is not as `\xb5`.
    """

    def escape(found: re.Match[str]) -> str:
        return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))

    return _ESCAPED.sub(escape, name)


def original(text: str) -> str:
    """Reads a name back that `written` wrote."""
    content = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode())
    return content.decode("utf-8", "surrogateescape")
