"""Sentences of the pages that users read are short enough to be read once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_WORDS = {"README.md": 30} | {f"docs/{path.name}": 35 for path in sorted((ROOT / "docs").glob("*.md"))}

_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)")  # an empty line, or the next item of a list
_SENTENCE = re.compile(r"(?<=[.!?])[)*\"]*\s+(?=[\"(*\[A-Z0-9]|tunedb)")


def sentences(page: str) -> Iterator[str]:
    """The sentences of a page of Markdown; code, tables and headings are none, and a piece of code is one word."""
    text = re.sub(r"^(?: {4,}|\||#|:::).*$", "", _CODE.sub("", page), flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", "Code", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for block in _BLOCK.split(text):
        yield from _SENTENCE.split(" ".join(block.split()))


def num_words(sentence: str) -> int:
    return sum(any(character.isalnum() for character in word) for word in sentence.split())


@pytest.mark.parametrize("name", MOST_WORDS)
def test_sentences_are_short(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    long = [f"{num_words(it)} words: {it}" for it in sentences(page) if num_words(it) > MOST_WORDS[name]]
    assert not long, "\n".join(long)


def test_a_sentence_ends_where_it_ends() -> None:
    page = "# Title\n\nOne `code with words` two. Three [four](a).\n\n- six\n- seven, 0.5 s\n\n```sh\neight\n```\n"
    assert [num_words(it) for it in sentences(page) if it] == [3, 2, 1, 3]
