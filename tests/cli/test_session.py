import os
import signal

import pytest
import typer

from cli.exit_codes import ExitCode
from cli.output import Answer
from cli.session import session
from tunedb import errors


def body_raising(error: BaseException, *, debug: bool = False) -> int:
    """The exit status of a command whose body raises `error`."""
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=debug):
        raise error
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("odd"), ExitCode.USAGE),
        (errors.NotFoundError("gone"), ExitCode.NOT_FOUND),
        (errors.AmbiguousPrefixError("two"), ExitCode.NOT_FOUND),
        (errors.BadInputError("bad"), ExitCode.BAD_INPUT),
        (errors.MeasurementError("no g++"), ExitCode.CANNOT_MEASURE),
        (errors.StoreError("read only"), ExitCode.FAILED),
        (errors.ModelError("changed"), ExitCode.FAILED),
        (RuntimeError("a bug"), ExitCode.FAILED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_errors_become_exit_statuses_without_a_traceback(error, code, capsys):
    assert body_raising(error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tunedb: ")
    assert str(error) in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("error", [errors.NotFoundError("gone"), RuntimeError("a bug")])
def test_debug_shows_the_traceback(error, capsys):
    body_raising(error, debug=True)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command(number, capsys):
    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False):
        os.kill(os.getpid(), number)
        raise AssertionError("the signal came to nothing")
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_a_command_that_can_finishes_what_it_is_at(capsys):
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False) as run:
        run.finishes_on_signal = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.stop.is_set()
        run.show(Answer({}, ["the result"]))
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert capsys.readouterr().out == "the result\n"


def test_the_second_signal_ends_it_at_once():
    reached = False
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False) as run:
        run.finishes_on_signal = True
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal came to nothing")
    assert reached
    assert caught.value.exit_code == ExitCode.INTERRUPTED


def test_an_error_that_a_signal_caused_is_an_interruption(capsys):
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False) as run:
        run.finishes_on_signal = True
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError  # as TVM says it
    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert "RuntimeError" not in capsys.readouterr().err


def test_the_exit_status_that_a_command_sets():
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False) as run:
        run.exit_code = ExitCode.BAD_INPUT
    assert caught.value.exit_code == 4


def test_the_default_store_is_the_users(monkeypatch, tmp_path):
    from cli.options import default_store

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_store() == str(tmp_path / "tunedb")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_store() == "/home/somebody/.local/share/tunedb"


def test_time_that_is_up_ends_in_order_and_is_no_failure():
    with session("memory:", as_json=False, debug=False) as run, run.time_limit(0.01):
        run.finishes_on_signal = True
        assert run.stop.wait(10)
    assert run.exit_code is ExitCode.OK


def test_a_signal_after_time_is_up_is_an_interruption():
    with pytest.raises(typer.Exit) as caught, session("memory:", as_json=False, debug=False) as run:
        run.finishes_on_signal = True
        with run.time_limit(0.01):
            assert run.stop.wait(10)
            os.kill(os.getpid(), signal.SIGINT)
    assert caught.value.exit_code == ExitCode.INTERRUPTED


def test_no_limit_and_one_that_is_kept():
    with session("memory:", as_json=False, debug=False) as run:
        with run.time_limit(None), run.time_limit(1000.0):
            pass
        assert not run.stop.is_set()
