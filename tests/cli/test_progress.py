"""Signs of life: what a long job says of itself, on a terminal and elsewhere. The clock is made, and nothing waits."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest

from cli.pace import Pace
from cli.progress import Progress
from cli.session import session
from tunedb.errors import StoreError
from tunedb.units import waiting


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(clock: Clock) -> Callable[..., tuple[Progress, io.StringIO]]:
    def make(stream: io.StringIO, *, is_quiet: bool = False) -> tuple[Progress, io.StringIO]:
        return Progress(stream, is_quiet=is_quiet, clock=clock), stream

    return make


def lived(progress: Progress, clock: Clock, secs: int, each: Callable[[int], None] = lambda _: None) -> None:
    """So many seconds, in each of which the job may say something and the line is looked at."""
    for second in range(secs):
        clock.now += 1.0
        each(second + 1)
        progress.beat()


def test_a_job_that_says_nothing_more_is_still_told_about_at_growing_intervals(made, clock):
    progress, stream = made(io.StringIO())
    progress.step(0, None, "merging small files")
    lived(progress, clock, 300)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "merging small files, 5.0 s so far",
        "merging small files, 10.0 s so far",
        "merging small files, 20.0 s so far",
    ]
    assert lines[-1].startswith("merging small files, 4 min ")
    assert len(lines) == 8  # after 5, 10, 20, 40 and 80 s, and then once a minute


def test_a_line_says_what_how_far_and_for_how_long_yet(made, clock):
    progress, stream = made(io.StringIO())
    progress.step(0, 60, "fits  split: model")
    lived(progress, clock, 30, lambda second: progress.step(second // 2, 60, "fits  split: model"))
    progress.close()
    assert stream.getvalue().splitlines()[-1] == "fits split: model: 10/60 (16%), 20.0 s so far, about 2 min left"


def test_a_short_job_says_nothing(made, clock):
    progress, stream = made(io.StringIO())
    progress.step(0, 2, "tables")
    clock.now += 3
    progress.step(2, 2, "tables")
    progress.close()
    assert stream.getvalue() == ""


def test_a_terminal_has_a_bar_and_the_time_that_is_left(made, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    progress, stream = made(Terminal())
    progress.step(0, 10, "features  znver5")
    lived(progress, clock, 10, lambda second: progress.step(second // 2, 10, "features  znver5"))
    assert "5/10  10.0 s so far, about 10 s left  features  znver5" in stream.getvalue()
    clock.now += 5
    progress.beat()  # though nothing was told, the time goes on
    assert stream.getvalue().endswith("5/10  15.0 s so far, about 5 s left  features  znver5")
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_quiet_keeps_what_went_wrong(made, clock):
    progress, stream = made(io.StringIO(), is_quiet=True)
    progress.note("reading the whole store ...")
    progress.step(0, None, "tables")
    lived(progress, clock, 100)
    progress.complain("rejected: a.json:1")
    progress.close()
    assert stream.getvalue() == "rejected: a.json:1\n"


def test_an_error_is_told_under_quiet(capsys):
    import typer

    with pytest.raises(typer.Exit), session("memory:", False, False, is_quiet=True) as run:
        run.progress.note("working")
        raise StoreError("the disk is full")
    assert capsys.readouterr().err == "tunedb: error: the disk is full\n"


def test_no_thread_is_left_when_a_job_has_ended(made):
    progress, _ = made(io.StringIO())
    before = {*threading.enumerate()}
    progress.step(0, None, "tables")
    (thread,) = {*threading.enumerate()} - before
    progress.close()
    thread.join(5)
    assert not thread.is_alive()


def test_each_stage_has_a_pace_of_its_own(clock):
    pace = Pace(clock)
    pace.at(0, 10, "features  a")
    clock.now += 10
    pace.at(5, 10, "features  b")
    assert pace.left_secs() == 10
    pace.at(0, 4, "fits  a")
    assert pace.left_secs() is None
    clock.now += 30
    pace.at(1, 4, "fits  b")
    assert pace.left_secs() == 90
    clock.now += 60
    assert pace.left_secs() == 30
    clock.now += 600
    assert pace.left_secs() == 0
    pace.at(0, 4, "fits  again")
    assert pace.left_secs() is None


def test_a_pace_without_an_end_has_no_time_left(clock):
    pace = Pace(clock)
    pace.at(10, None, "records  a.json")
    clock.now += 20
    pace.at(20_000, None, "records  b.json")
    assert pace.left_secs() is None
    assert pace.line() == "records b.json: 20,000, 20.0 s so far"


@pytest.mark.parametrize(
    ("secs", "text"), [(0, "1 s"), (40.2, "40 s"), (100, "2 min"), (3600, "60 min"), (7200, "2.0 h"), (90000, "25.0 h")]
)
def test_a_guess_has_one_unit(secs, text):
    assert waiting(secs) == text


def test_a_job_without_counts_has_none_on_a_terminal(made, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    progress, stream = made(Terminal())
    progress.step(0, None, "repairing")
    lived(progress, clock, 3)
    assert stream.getvalue().endswith("\x1b[2K3.0 s so far  repairing")
    progress.close()
