"""The live table of a network's tuning."""

from __future__ import annotations

import io

from cli.progress import Progress
from cli.standing import live_lines, summary, table
from search.standing import Standing, TaskStanding


def standing(number: int, left_secs: float | None = None) -> Standing:
    tasks = tuple(
        TaskStanding(f"t{n}", f"conv2d {n}", 1, 2, 0.001, n % 2 == 0, 0.002, 0.1, 1e11, 0.9) for n in range(number)
    )
    return Standing(tasks, 8, 100, 60.0, left_secs)


def test_a_guess_is_marked_and_shares_add_up() -> None:
    rows = table(standing(2)).rows
    assert [row[4] for row in rows] == ["1 ms", "1 ms?"]
    assert [row[2] for row in rows] == ["50.0%", "50.0%"]


def test_the_live_table_has_the_heaviest_and_the_rest_in_a_line() -> None:
    lines = live_lines(standing(20, left_secs=90.0))
    assert sum(line.startswith("conv2d") for line in lines) == 12
    assert lines[-2] == "8 more tasks: 40% of the time"
    assert "40 ms -> 20 ms" in lines[-1]
    assert lines[-1].endswith("60.0 s, about 90 s left")
    assert "left" not in summary(standing(2)).split(";")[-1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_live_lines_are_drawn_over_and_notes_scroll_above_them() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.table(["a", "b"])
    progress.note("note")
    progress.table(["c"])
    progress.close()
    clear, up = "\r\x1b[2K", "\x1b[1A\x1b[2K"
    erased = clear + 2 * up
    assert stream.getvalue() == f"{clear}a\nb\n{erased}note\n{clear}a\nb\n{erased}{clear}c\n{clear}{up}"


def test_elsewhere_than_on_a_terminal_there_is_no_table() -> None:
    stream = io.StringIO()
    Progress(stream).table(["a"])
    assert stream.getvalue() == ""
