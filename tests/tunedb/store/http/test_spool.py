"""What a client appends while its service is away waits on disk, and is sent later: none lost, none twice, in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.errors import StoreAwayError, StoreError, UsageError
from tunedb.records import AppendReport
from tunedb.store.http import connection, leases
from tunedb.store.http import store as http_store
from tunedb.store.http.spool import Spool, spools
from tunedb.store.http.store import HttpStore

_START_SECS = 300.0


class Server:
    """`tunedb serve` in a process of its own, which can be killed and started again at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "cli.main", "serve", "--port", str(self.port), "--json"]
        command += ["--store", str(self._folder / "store"), "--state", str(self._folder / "state")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert json.loads(_object(self._process.stdout))["url"] == self.url

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self, number: signal.Signals = signal.SIGSTOP) -> None:
        """Stops it and the process beside it: connections are taken still, and nothing is answered."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, number)

    def thaw(self) -> None:
        self.freeze(signal.SIGCONT)


def _object(stream: object) -> str:
    text = ""
    deadline = time.monotonic() + _START_SECS
    while time.monotonic() < deadline:
        text += stream.readline().decode()  # type: ignore[attr-defined]
        if text.rstrip().endswith("}"):
            return text
    raise AssertionError(f"the service did not start: {text}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    pytest.importorskip("uvicorn")
    running = Server(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client tries again at once."""
    monkeypatch.setattr(connection, "_FIRST_AWAY_SECS", 0.0)
    monkeypatch.setattr(connection, "_LONGEST_AWAY_SECS", 0.0)


def test_a_service_that_is_killed_again_and_again_loses_nothing(server: Server, tmp_path: Path) -> None:
    total = 24
    store = HttpStore(server.url, {"spool": str(tmp_path / "spool")})
    store.append([], **AROUND)
    for number in range(total):
        if number % 8 == 3:
            server.kill()
        if number % 8 == 7:
            server.start()
        assert store.append([trial(number)]).added == 1
    server.kill()
    store.append([trial(total)])
    store.close()
    assert [row.trials for row in store.spool.waiting()] == [1]
    server.start()
    with HttpStore(server.url, {"spool": str(tmp_path / "spool")}) as again:
        assert again.sync().messages == 1
        assert (again.spool.waiting(), again.sync().messages) == ([], 0)
        positions = [row.position for row in again.trials()]
    assert positions == list(range(total + 1))
    server.kill()
    with open_store(tmp_path / "store", create=False) as kept:
        assert kept.stats().num_trials == total + 1
        assert kept.problems(whole=True) == []


def test_a_service_that_is_frozen_holds_nobody_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with HttpStore(server.url, {"spool": str(tmp_path / "spool")}) as store:
        store.append([trial(0)], **AROUND)
        assert store.spool.waiting() == []
        server.freeze()
        monkeypatch.setattr(http_store, "_PUSH_SECS", 0.5)
        monkeypatch.setattr(leases, "_ANSWER_SECS", 0.5)
        monkeypatch.setattr(connection, "_LOOK_SECS", 0.5)
        for number in range(1, 4):
            assert store.append([trial(number)]).added == 1
        with pytest.raises(StoreAwayError):
            store.leases.claim("board", ["a"], 60.0)
        with pytest.raises(StoreAwayError):  # at once: it would wait two minutes for a service that was not away
            store.verdicts()
        assert [row.trials for row in store.spool.waiting()] == [1, 1, 1]
        assert sum("tunedb sync" in row.getMessage() for row in caplog.records) == 1
        server.thaw()
        monkeypatch.undo()
        store.append([trial(4)])
        assert store.spool.waiting() == []
        assert [row.position for row in store.trials()] == list(range(5))
        assert store.leases.claim("board", ["a"], 60.0) == {"a"}


def test_a_run_whose_leases_find_the_service_away_does_not_wait_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    store = HttpStore(server.url, {"spool": str(tmp_path / "spool")})
    server.freeze()
    monkeypatch.setattr(leases, "_ANSWER_SECS", 0.5)
    monkeypatch.setattr(connection, "_FIRST_AWAY_SECS", 600.0)
    with pytest.raises(StoreAwayError, match="cannot be reached"):
        store.leases.claim("board", ["a"], 60.0)
    with pytest.raises(StoreAwayError, match="is away"):  # without a request
        store.leases.claim("board", ["a"], 60.0)
    assert store.append([], **AROUND).added == 0
    assert len(store.spool.waiting()) == 1
    server.thaw()
    assert store.sync().messages == 1
    store.close()


def test_questions_say_that_the_service_is_away(server: Server, tmp_path: Path) -> None:
    store = HttpStore(server.url, {"spool": str(tmp_path / "spool")})
    server.kill()
    for ask in (store.workloads, store.version, lambda: list(store.trials()), lambda: store.artifacts.names("models")):
        with pytest.raises(StoreAwayError, match="cannot be reached"):
            ask()
    with pytest.raises(StoreAwayError, match="cannot be reached"):
        HttpStore(server.url, {"spool": str(tmp_path / "spool")})


def spool_at(path: Path) -> Spool:
    return Spool(path, "http://host:1")


def test_messages_are_sent_in_order_and_go(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.add([(b"%d" % number, 1) for number in range(12)])
    spool_at(tmp_path).add([(b"12", 1)])
    sent: list[bytes] = []
    assert spool.send(_taking(sent)).messages == 13
    assert sent == [b"%d" % number for number in range(13)]
    assert (spool.waiting(), spools(tmp_path)) == ([], [])


def _taking(sent: list[bytes], at: int = -1, error: Exception | None = None) -> Callable[[bytes], AppendReport]:
    def send(content: bytes) -> AppendReport:
        if len(sent) == at and error is not None:
            raise error
        sent.append(content)
        return AppendReport(added=1)

    return send


def test_what_was_not_sent_still_waits(tmp_path: Path) -> None:
    spool, sent = spool_at(tmp_path), list[bytes]()
    spool.add([(b"a", 1), (b"b", 1), (b"c", 1)])
    with pytest.raises(StoreAwayError):
        spool.send(_taking(sent, 1, StoreAwayError("gone")))
    spool.add([(b"d", 1)])
    assert [row.path.read_bytes() for row in spool.waiting()] == [b"b", b"c", b"d"]
    spool.send(_taking(sent))
    assert sent == [b"a", b"b", b"c", b"d"]


def test_what_is_refused_for_good_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.add([(b"a", 1), (b"b", 1)])

    def refuse(content: bytes) -> AppendReport:
        if content == b"a":
            raise UsageError("it refers to nothing")
        return AppendReport(added=1)

    done = spool.send(refuse)
    assert (done.messages, done.refused, spool.waiting()) == (1, 1, [])
    (aside,) = spool.refused()
    assert aside.read_bytes() == b"a" and "refers to nothing" in aside.with_suffix(".txt").read_text()
    assert [found.url for found in spools(tmp_path)] == ["http://host:1"]


def test_an_unfinished_message_is_none(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.add([(b"a", 1)])
    (spool.folder / "000000000002-1.tmp").write_bytes(b"half")
    assert [row.number for row in spool.waiting()] == [1]


def test_a_spool_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot keep what was not sent"):
        spool_at(tmp_path / "file").add([(b"a", 1)])


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    spool.add([(b"a", 1)])
    assert spool.folder.stat().st_mode & 0o077 == 0
