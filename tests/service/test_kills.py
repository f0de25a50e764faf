"""A service and its clients, killed again and again under load: what was acknowledged is there, and nothing twice."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.store.http.store import HttpStore

ROUNDS = 50
_CLIENTS, _ROWS = 4, 16
START_SECS = 120.0
_HEAD = b"POST /v1/trials HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"

# Pushes trials from a number on, two at a time, and says what was taken: by the service, or by the spool.
CLIENT = """
import sys
from tests.tunedb.samples import AROUND, trial
from tunedb.store.http.store import HttpStore
url, spool, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = HttpStore(url, {"spool": spool})
while True:
    store.append([trial(number), trial(number + 1)], **AROUND)
    print(number + 1, flush=True)
    number += 2
"""


@contextmanager
def service(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`tunedb serve` as a process of its own, that listens."""
    command = [sys.executable, "-m", "cli.main", "serve", "--quiet", "--port", str(port)]
    command += ["--store", str(folder / "store"), "--state", str(folder / "state")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECS
        while True:
            try:
                if urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=5).status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def check(folder: Path, acknowledged: set[str]) -> int:
    """Looks at every row of the store, and gives their number."""
    with open_store(folder / "store", create=False) as store:
        with store.table("trials") as reader:
            rows = reader.read_all().column("trial_id").to_pylist()
        assert store.problems(whole=True) == []
    assert acknowledged <= set(rows), f"{len(acknowledged - set(rows))} that were acknowledged are lost"
    assert len(rows) == len(set(rows)), "some stand twice"
    return len(rows)


@pytest.mark.slow
def test_a_service_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(1)
    acknowledged: list[set[str]] = [set() for _ in range(_CLIENTS)]
    is_over = threading.Event()

    def push(client: int, opened: HttpStore) -> None:
        number = client * 10_000_000
        with opened as store:
            while not is_over.is_set():
                rows = [trial(number + place) for place in range(_ROWS)]
                store.append(rows, **AROUND)
                acknowledged[client] |= {row.trial_id for row in rows}
                number += _ROWS
                time.sleep(0.05)

    threads: list[threading.Thread] = []
    for round_ in range(ROUNDS + 1):
        with service(tmp_path, port) as process:
            if not threads:
                for client in range(len(acknowledged)):
                    opened = HttpStore(f"http://127.0.0.1:{port}", {"spool": str(tmp_path / f"spool-{client}")})
                    threads.append(threading.Thread(target=push, args=[client, opened], daemon=True))
                    threads[-1].start()
            if round_ < ROUNDS:
                time.sleep(chance.uniform(0.1, 1.5))
                process.kill()
                process.wait()
                continue
            is_over.set()
            for thread in threads:
                thread.join()
            for client in range(len(acknowledged)):
                with HttpStore(f"http://127.0.0.1:{port}", {"spool": str(tmp_path / f"spool-{client}")}) as store:
                    assert store.sync().refused == 0 and not store.spool.waiting()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert min(map(len, acknowledged)) > ROUNDS
    stored = check(tmp_path, set().union(*acknowledged))
    told = sum(map(len, acknowledged))
    print(f"the service was killed {ROUNDS} times: {told} trials acknowledged, {stored} stored, none lost, none twice")


@pytest.mark.slow
def test_a_client_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(2)
    spool, said = tmp_path / "spool", 1
    with service(tmp_path, port):
        url = f"http://127.0.0.1:{port}"
        for _ in range(ROUNDS):
            command = [sys.executable, "-c", CLIENT, url, str(spool), str(said + 1)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout is not None
                client.stdout.readline()
                time.sleep(chance.uniform(0.0, 0.5))
                client.kill()
                rest = client.stdout.read().split("\n")[:-1]  # of a line that was not finished nothing is known
                said = max([said + 2, *map(int, rest)])
        with HttpStore(url, {"spool": str(spool)}) as store:
            store.sync()
    stored = check(tmp_path, {trial(number).trial_id for number in range(2, said + 1)})
    print(f"a client was killed {ROUNDS} times: {said - 1} trials acknowledged, {stored} stored, none lost, none twice")


@contextmanager
def crowd(port: int, number: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that send something and then nothing more."""
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]
    try:
        for one in opened:
            one.sendall(sent)
        yield opened
    finally:
        for one in opened:
            one.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/workloads HT",
        _HEAD + b"Content-Length: 900\r\n\r\n{",
        _HEAD + b"Content-Length: 99999999999\r\n\r\n",
    ],
    ids=["silent", "half a head", "half a body", "oversized"],
)
def test_slow_clients_are_let_go_of_and_delay_nobody(
    sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service import patience
    from service.settings import Limits
    from tests.conftest import serving

    monkeypatch.setattr(patience, "HEAD_SECS", 1.0)
    with serving(tmp_path / "store", tmp_path / "state", limits=Limits(body_secs=1.0)) as running:
        port = int(running.url.rpartition(":")[2])
        with crowd(port, 100, sent) as opened:
            with running.opened() as store:  # others are served meanwhile
                assert store.append([trial(0)], **AROUND).added == 1
            for one in opened:
                one.settimeout(30)
                while one.recv(65_536):  # until the service hangs up
                    pass
