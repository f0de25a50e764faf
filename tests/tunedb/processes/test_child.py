"""Children that answer, crash, hang, talk nonsense and are closed while they are asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.tunedb.processes.answering import Done, Order, obey
from tunedb.errors import ChildDiedError
from tunedb.processes import Child, Children, Limits


@pytest.fixture
def child() -> Iterator[Child[Order, Done]]:
    with closing(Child(obey, Order, Done, is_silent=True)) as child:
        yield child


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_process_answers_in_order(child: Child[Order, Done]) -> None:
    content = bytes(range(256)) * (1 << 13)  # many times what a pipe holds
    first = child.ask(Order("echo", content=content), 60)
    second = child.ask(Order("echo", content=b""))
    assert (first.number, first.content) == (0, content)
    assert (second.number, second.content) == (1, b"")
    assert first.pid == second.pid != os.getpid()
    assert os.getsid(first.pid) == first.pid  # a Ctrl-C is for the parent


def test_one_request_may_have_many_replies_or_none(child: Child[Order, Done]) -> None:
    child.send(Order("count", 3))
    assert [child.receive(60).number for _ in range(3)] == [0, 1, 2]
    child.send(Order("count", 0), 60)
    assert child.ask(Order("echo"), 60).number == 2


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        (Order("crash"), "ended the process (signal 11)"),
        (Order("exit", 3), "ended the process (exit code 3)"),
        (Order("raise"), "ended the process (exit code 1)"),
        (Order("hang"), "no answer within 1 s"),
    ],
)
def test_the_cause_of_death_is_named_and_the_next_question_answered(
    child: Child[Order, Done], order: Order, cause: str
) -> None:
    before = child.ask(Order("echo"), 60)
    with pytest.raises(ChildDiedError) as raised:
        child.ask(order, 1 if order.do == "hang" else 60)
    assert str(raised.value) == cause
    assert _has_ended(before.pid)
    after = child.ask(Order("echo"), 60)
    assert (after.number, after.pid == before.pid) == (0, False)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,  # a length that nothing has
        (0).to_bytes(8, "little"),
        (4).to_bytes(8, "little") + b"\xc1\xc1\xc1\xc1",
        (1).to_bytes(8, "little") + b"\x05",  # a message, but no `Done`
    ],
)
def test_garbage_is_no_answer(child: Child[Order, Done], garbage: bytes) -> None:
    with pytest.raises(ChildDiedError, match="an answer that cannot be read"):
        child.ask(Order("write garbage", content=garbage), 60)
    assert child.ask(Order("echo"), 60).number == 0


def test_half_an_answer_is_waited_for_no_longer_than_for_none(child: Child[Order, Done]) -> None:
    child.ask(Order("echo"), 60)
    with pytest.raises(ChildDiedError, match="no answer within 1 s"):
        child.ask(Order("write garbage", content=(100).to_bytes(8, "little") + b"half"), 1)


def test_a_request_that_is_not_read_is_not_waited_for(child: Child[Order, Done]) -> None:
    child.send(Order("hang"), 60)
    with pytest.raises(ChildDiedError, match="no answer within 1 s"):
        child.send(Order("echo", content=bytes(1 << 20)), 1)
    assert child.ask(Order("echo"), 60).number == 0


def test_one_that_died_unasked_is_replaced(child: Child[Order, Done]) -> None:
    pid = child.ask(Order("echo"), 60).pid
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert child.ask(Order("echo"), 60).pid != pid


def test_a_late_answer_is_not_given_to_the_next_question(child: Child[Order, Done]) -> None:
    child.ask(Order("echo"), 60)
    child.send(Order("count", 2), 60)
    assert child.receive(60).number == 0
    with pytest.raises(KeyboardInterrupt), child._exchange(None, starts=False):
        raise KeyboardInterrupt  # as if it came while waiting
    assert child.ask(Order("echo", content=b"new"), 60).content == b"new"


def test_nothing_is_received_from_one_that_was_not_asked(child: Child[Order, Done]) -> None:
    with pytest.raises(ChildDiedError, match="nothing was asked"):
        child.receive()


def test_closing_ends_a_call_that_waits(child: Child[Order, Done]) -> None:
    pid = child.ask(Order("echo"), 60).pid
    with ThreadPoolExecutor(1) as executor:
        asking = executor.submit(child.ask, Order("hang"))
        time.sleep(0.2)
        child.close()
        with pytest.raises(ChildDiedError, match="interrupted"):
            asking.result(30)
    assert _has_ended(pid)
    with pytest.raises(ChildDiedError, match="interrupted"):
        child.ask(Order("echo"))
    child.close()


def test_closing_at_any_moment_leaves_no_process_and_no_descriptor() -> None:
    def ask_until_closed(children: Children[Order, Done]) -> list[int]:
        pids = []
        while True:
            try:
                pids.append(children.of_this_thread().ask(Order("echo", content=bytes(1 << 16))).pid)
            except ChildDiedError as error:
                assert str(error) == "interrupted"
                return pids

    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for delay_secs in (0.0, 0.01, 0.3, 0.6):
        children = Children(lambda: Child(obey, Order, Done, is_silent=True))
        with ThreadPoolExecutor(2) as executor:
            asking = [executor.submit(ask_until_closed, children) for _ in range(2)]
            time.sleep(delay_secs)
            children.close()
            pids = {pid for future in asking for pid in future.result(30)}
        assert all(_has_ended(pid) for pid in pids)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_each_thread_has_a_child_of_its_own() -> None:
    children = Children(lambda: Child(obey, Order, Done))
    both_asked = threading.Barrier(2)

    def ask() -> tuple[int, int]:
        first = children.of_this_thread().ask(Order("echo"), 60).pid
        both_asked.wait(60)
        return first, children.of_this_thread().ask(Order("echo"), 60).pid

    with closing(children), ThreadPoolExecutor(2) as executor:
        (a, again_a), (b, again_b) = (future.result() for future in [executor.submit(ask), executor.submit(ask)])
    assert (a, b) == (again_a, again_b)
    assert a != b
    with pytest.raises(ChildDiedError, match="interrupted"):
        children.of_this_thread().ask(Order("echo"))


def test_what_a_child_prints_is_no_answer_and_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    for is_silent in (False, True):
        with closing(Child(obey, Order, Done, is_silent=is_silent)) as child:
            assert child.ask(Order("print", content=b"answer"), 60).content == b"answer"
        out, err = capfd.readouterr()
        assert out == ""
        assert err == ("" if is_silent else "spoken by the child\nwritten by the child\n")


def test_limits_of_memory_and_time() -> None:
    with closing(Child(obey, Order, Done, limits=Limits(memory_bytes=1 << 30, cpu_secs=1), is_silent=True)) as child:
        assert child.ask(Order("allocate", 1 << 20), 60).number == 0
        assert child.ask(Order("allocate", 2 << 30), 60).number == -1
        with pytest.raises(ChildDiedError, match=r"ended the process \(signal 9\)"):
            child.ask(Order("spin"), 60)


def test_no_interpreter_no_answer(child: Child[Order, Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ChildDiedError, match="no process can be started"):
        child.ask(Order("echo"))


def test_a_script_without_a_guard_in_a_folder_with_a_trap(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('imported from the folder it was started in')")
    script = (
        "from tests.tunedb.processes.answering import Done, Order, obey\n"
        "from tunedb.processes import Child\n"
        "child = Child(obey, Order, Done)\n"
        "print(child.ask(Order('echo', content=b'well'), 60).content.decode())\n"
        "print(child.ask(Order('echo'), 60).pid)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    command = [sys.executable, elsewhere / "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    well, pid = done.stdout.split()
    assert (done.returncode, well, done.stderr) == (0, "well", "")
    with contextlib.suppress(psutil.NoSuchProcess):
        orphan = psutil.Process(int(pid))
        until = time.monotonic() + 30
        while orphan.status() != psutil.STATUS_ZOMBIE:  # which it stays where nobody collects orphans
            assert time.monotonic() < until, "it outlives its parent"
            time.sleep(0.05)
