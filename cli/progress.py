"""What goes on while a command works, on stderr.

On a terminal the last lines are live: they are drawn over at each step, and notes scroll above them. Elsewhere (a
file, a CI log, a notebook) nothing is drawn over: a plain line says now and then what is being done, how far it is and
for how long yet; the first after seconds, the next ones after as long again, and then once a minute.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.pace import Pace
from tunedb.units import duration, elapsed, waiting

if TYPE_CHECKING:
    from search.recorder import TrialEvent

_CLEAR, _CLEAR_ABOVE = "\r\x1b[2K", "\x1b[1A\x1b[2K"  # the line of the cursor, and the one above, to go on there
_BAR_WIDTH = 24
_LONGEST_CAUSE = 100
_REDRAW_SECS = 0.1
_BEAT_SECS = 1.0  # after which a line is looked at though nothing was told
_FIRST_LINE_SECS, _LONGEST_SECS = 5.0, 60.0  # until the first line, and between two of them


class Progress:
    """Notes and one live line. `close` takes the live line away; it may be called more than once. Threads may share it.

    Args:
        stream: where it is written.
        is_quiet: whether nothing is but complaints.
        clock: seconds since some moment.
    """

    def __init__(self, stream: TextIO, *, is_quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._is_quiet = is_quiet
        self._is_terminal = stream.isatty()
        self._clock = clock
        self._lock = threading.RLock()  # of all that follows
        self._live = ""
        self._table: Sequence[str] = ()  # above the live line, live as well
        self._num_drawn = 0  # lines
        self._drawn_at = 0.0
        self._pace: Pace | None = None
        self._next_line_at = 0.0
        self._ended: threading.Event | None = None  # of the thread that looks after the line

    def note(self, text: str) -> None:
        """A line that stays."""
        if not self._is_quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """A line that stays, and that is wanted even where progress is not: an error, a warning."""
        with self._lock:
            self._erase()
            self._write(text.rstrip("\n") + "\n")
            self._draw(self._live)

    def step(self, done: int, total: int | None, text: str) -> None:
        """Where a long job is. It is called as often as the job likes, and what is shown goes on when it is not called.

        Args:
            done: so many parts; 0 where there are none to be counted.
            total: of so many; None where that is not known.
            text: what they are; what stands before two spaces names the stage of the job.
        """
        if self._is_quiet:
            return
        with self._lock:
            if self._pace is None:
                self._pace = Pace(self._clock)
                self._next_line_at = self._clock() + _FIRST_LINE_SECS
            self._pace.at(done, total, text)
            if self._clock() - self._drawn_at >= _REDRAW_SECS or done == total:
                self.beat()
            if self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._go_on, args=(self._ended,), name="progress", daemon=True).start()

    def beat(self) -> None:
        """Shows how far the job is, if it is time for that."""
        with self._lock:
            now, pace = self._clock(), self._pace
            if pace is None:
                return
            if self._is_terminal:
                self._drawn_at = now
                bar = f"{pace.done:,}  " if pace.done else ""
                if pace.total:
                    bar = f"{_bar(pace.done, pace.total)} {pace.done:,}/{pace.total:,}  "
                self._draw(f"{bar}{pace.waited()}  {pace.text}")
            elif now >= self._next_line_at:
                self._next_line_at = now + min(max(now - pace.begun_at, _FIRST_LINE_SECS), _LONGEST_SECS)
                self.note(pace.line())

    def _go_on(self, ended: threading.Event) -> None:
        while not ended.wait(_BEAT_SECS):
            self.beat()

    def trial(self, event: TrialEvent, *, with_task: bool = False) -> None:
        """One finished trial: a line each; on a terminal only improvements, failures and repeats stay."""
        if self._is_quiet:
            return
        line = trial_line(event, with_task=with_task)
        stays = event.is_best or event.is_repeat or event.secs is None
        if not self._is_terminal or stays:
            self.note(line)
        if not self._is_terminal:
            return
        with self._lock:
            self._pace = None
            best = f"best {_best(event).strip()}, {elapsed(event.elapsed_secs)}"
            if not _ends(event):
                self._draw(f"trial {event.number}  {best}")
                return
            left = waiting(event.elapsed_secs / event.number * (event.total - event.number))
            self._draw(f"{_bar(event.number, event.total)} {event.number}/{event.total}  {best}, about {left} left")

    def table(self, lines: Sequence[str]) -> None:
        """Lines that stand above the live one from now on; elsewhere than on a terminal, none do.

        Args:
            lines: As many as the terminal has room for are shown.
        """
        with self._lock:
            self._table = lines
            self._draw(self._live)

    def close(self) -> None:
        """Leaves the terminal as it should be found."""
        with self._lock:
            if self._ended is not None:
                self._ended.set()
            self._pace = self._ended = None
            self._erase()
            self._live, self._table = "", ()

    def _draw(self, text: str) -> None:
        if not self._is_terminal or not (text or self._table):
            return
        self._erase()
        self._live = text
        size = shutil.get_terminal_size()
        lines = [line[: size.columns - 1] for line in (*self._table[: max(size.lines - 2, 0)], text)]
        self._num_drawn = len(lines)
        self._write(_CLEAR + "\n".join(lines))

    def _erase(self) -> None:
        """Takes the live lines away; the cursor then stands where they began."""
        if self._is_terminal and self._num_drawn:
            self._write(_CLEAR + _CLEAR_ABOVE * (self._num_drawn - 1))
            self._num_drawn = 0

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody listens any more, or the disk is full; the work goes on
            self._is_terminal = False


def trial_line(event: TrialEvent, *, with_task: bool = False) -> str:
    """One trial as a line: number, latency or cause of failure, the task's best so far, time since the start.

    Latencies are those of schedules, as `tunedb best` has them.
    """
    number = f"trial {event.number:>{len(str(event.total))}}/{event.total}" if _ends(event) else f"trial {event.number}"
    number = "again".ljust(len(number)) if event.is_repeat else number
    if event.secs is None:
        cause = event.error.strip().splitlines()[-1] if event.error.strip() else "no cause given"
        result = f"{event.outcome.value}: {cause}"[:_LONGEST_CAUSE]
    else:
        result = f"{duration(event.secs):>10}"
    mark = " *" if event.is_best else "  "
    line = f"{number}  {result}{mark}  best {_best(event)}  {elapsed(event.elapsed_secs):>8}"
    return f"{line}  {event.task_name}" if with_task else line


def _ends(event: TrialEvent) -> bool:
    """Whether the number of trials is what ends the run."""
    from search.options import WITHOUT_END

    return event.total < WITHOUT_END


def _best(event: TrialEvent) -> str:
    """The best so far, and how many passes it rests on if they are several."""
    passes = f" ({event.best_passes} passes)" if event.best_passes > 1 else ""
    return f"{duration(event.best_secs):>10}{passes}"


def _bar(done: int, total: int | None) -> str:
    filled = round(_BAR_WIDTH * min(done / total, 1)) if total else 0
    return "[" + "#" * filled + "." * (_BAR_WIDTH - filled) + "]"
