"""What goes on while a command works, on stderr.

On a terminal the last line is live: it is drawn over at each step, and notes scroll above it. Elsewhere (a file, a CI
log) each step that matters is a plain line and nothing is drawn over.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, TextIO

from tunedb.units import duration, elapsed

if TYPE_CHECKING:
    from search.recorder import TrialEvent

_BAR_WIDTH = 24
_REDRAW_SECS = 0.1


class Progress:
    """Notes and one live line. `close` takes the live line away; it may be called more than once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._live = ""
        self._drawn_at = 0.0

    def note(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self._write(text.rstrip("\n") + "\n")
        self._draw(self._live)

    def step(self, done: int, total: int | None, text: str) -> None:
        """Where a long job is: a bar when its length is known. Only shown on a terminal."""
        now = time.monotonic()
        if not self._is_terminal or (now - self._drawn_at < _REDRAW_SECS and done != total):
            return
        self._drawn_at = now
        bar = f"{_bar(done, total)} {done:,}/{total:,}" if total else f"{done:,}"
        self._draw(f"{bar}  {text}")

    def trial(self, event: TrialEvent, *, with_task: bool = False) -> None:
        """One finished trial: a line each; on a terminal only improvements and failures stay."""
        line = trial_line(event, with_task=with_task)
        improved = event.is_best
        if not self._is_terminal or improved or event.secs is None:
            self.note(line)
        if self._is_terminal:
            best = f"best {duration(event.best_secs)}, {elapsed(event.elapsed_secs)}"
            self._draw(f"{_bar(event.number, event.total)} {event.number}/{event.total}  {best}")

    def close(self) -> None:
        """Leaves the terminal as it should be found."""
        self._erase()
        self._live = ""

    def _draw(self, text: str) -> None:
        if self._is_terminal and text:
            self._live = text[: shutil.get_terminal_size().columns - 1]
            self._write("\r\x1b[2K" + self._live)

    def _erase(self) -> None:
        if self._is_terminal and self._live:
            self._write("\r\x1b[2K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody listens any more, or the disk is full; the work goes on
            self._is_terminal = False


def trial_line(event: TrialEvent, *, with_task: bool = False) -> str:
    """One trial as a line: number, latency or cause of failure, the task's best so far, time since the start."""
    number = f"{event.number:>{len(str(event.total))}}/{event.total}"
    if event.secs is None:
        cause = event.error.strip().splitlines()[-1] if event.error.strip() else "no cause given"
        result = f"{event.outcome.value}: {cause}"[:72]
    else:
        result = f"{duration(event.secs):>10}"
    mark = " *" if event.is_best else "  "
    line = f"trial {number}  {result}{mark}  best {duration(event.best_secs):>10}  {elapsed(event.elapsed_secs):>8}"
    return f"{line}  {event.task_name}" if with_task else line


def _bar(done: int, total: int | None) -> str:
    filled = round(_BAR_WIDTH * min(done / total, 1)) if total else 0
    return "[" + "#" * filled + "." * (_BAR_WIDTH - filled) + "]"
