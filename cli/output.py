"""Where a command's result goes: to stdout, as text for people or as JSON for machines.

A command hands over one `Answer` that holds both forms and never prints. Progress and complaints are not results: they
go to stderr, see `cli.progress`.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cli.streams import silence
from tunedb.errors import TunedbError


class StdoutError(TunedbError):
    """The result cannot be written to standard output: it is closed, or what takes it is full."""


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Around what writes to stdout: a reader that has gone away (`| head`) is no error, anything else is.

    Raises:
        StdoutError: it cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        sys.stdout = silence(sys.stdout)
    except OSError as error:
        sys.stdout = silence(sys.stdout)
        raise StdoutError(f"cannot write to standard output: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under headers; columns named in `right` are set to the right, as numbers are."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()

    def lines(self) -> list[str]:
        """The table's lines, columns two spaces apart."""
        rows = [self.headers, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.headers))]
        aligned = [
            "  ".join(
                cell.rjust(width) if header in self.right else cell.ljust(width)
                for cell, width, header in zip(row, widths, self.headers, strict=True)
            ).rstrip()
            for row in rows
        ]
        return [aligned[0], "  ".join("-" * width for width in widths), *aligned[1:]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's result, in both forms."""

    document: Mapping[str, Any]  # what --json prints; its keys are documented in docs/cli.md
    text: Sequence[str | Table]  # what people read


class Output(ABC):
    """Shows an answer on stdout."""

    def show(self, answer: Answer) -> None:
        """Writes the answer at once. A reader that has gone away (`| head`) is no error.

        Raises:
            StdoutError: it cannot be written.
        """
        text = self.render(answer).encode(errors="backslashreplace").decode()  # file names may be no text
        with stdout_errors():
            sys.stdout.write(text)
            sys.stdout.flush()

    @abstractmethod
    def render(self, answer: Answer) -> str:
        """The answer as it will stand on stdout, newline at the end."""


class TextOutput(Output):
    """Tables and lines."""

    def render(self, answer: Answer) -> str:
        """The text form."""
        lines: list[str] = []
        for block in answer.text:
            lines.extend(block.lines() if isinstance(block, Table) else [block])
        return "".join(line + "\n" for line in lines)


class JsonOutput(Output):
    """One JSON object."""

    def render(self, answer: Answer) -> str:
        """The JSON form; what is not a finite number is null, never NaN."""
        return json.dumps(answer.document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
