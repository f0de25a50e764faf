"""Kills a service, or clients of it, again and again under load, and looks at every row afterwards.

For the slow tests, and for `benchmarks/service_kills.py`, which says what came of it.
"""

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
from dataclasses import dataclass
from pathlib import Path

import urllib3

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.http import wire
from tunedb.store.http.store import HttpStore

_CLIENTS, _ROWS = 4, 16
_START_SECS = 900.0  # of a machine that has much else to do

# Pushes trials from a number on, two at a time, and says what was taken: by the service, or by the spool.
CLIENT = """
import sys
from tests.tunedb.samples import AROUND, trial
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.http import wire
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
        deadline = time.monotonic() + _START_SECS
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    rounds: int
    acknowledged: int
    stored: int
    lost: int  # of those acknowledged
    twice: int
    faults: tuple[str, ...]  # of the store

    def check(self) -> None:
        """Asserts that nothing was lost, and nothing stands twice."""
        assert (self.lost, self.twice, self.faults) == (0, 0, ())
        assert self.stored >= self.acknowledged > self.rounds


def looked_at(folder: Path, rounds: int, acknowledged: set[str]) -> Outcome:
    """Looks at every row of the store."""
    with open_store(folder / "store", create=False) as store:
        with store.table("trials") as reader:
            rows = reader.read_all().column("trial_id").to_pylist()
        faults = tuple(store.problems(whole=True))
    found = set(rows)
    lost = len(acknowledged - found)
    return Outcome(rounds, len(acknowledged), len(found), lost, len(rows) - len(found), faults)


class Pusher(threading.Thread):
    """Pushes batch after batch, each again and again until the service has acknowledged it.

    Args:
        port: of the service.
        first: the number of its first trial.
    """

    def __init__(self, port: int, first: int) -> None:
        super().__init__(daemon=True)
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, retries=False, timeout=_START_SECS)
        self._next = first
        self.acknowledged: set[str] = set()
        self.num_pushes, self.num_again = 0, 0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Pushes until it is over; the last push is acknowledged, too."""
        while not self.is_over.is_set():
            rows = [trial(self._next + place) for place in range(_ROWS)]
            self._next += _ROWS
            (body,) = wire.pushes(Batch(TrialColumns.of(TrialRows.of(rows)), **AROUND))
            while not self._is_taken(body):
                self.num_again += 1
                time.sleep(0.02)
            self.acknowledged.update(row.trial_id for row in rows)
            self.num_pushes += 1

    def _is_taken(self, body: bytes) -> bool:
        try:
            answer = self._pool.urlopen("POST", "/v1/trials", body=body, headers={"Content-Type": wire.MESSAGE})
        except urllib3.exceptions.HTTPError:
            return False
        assert answer.status in (200, 503), answer.data
        return answer.status == 200


def kill_service(folder: Path, rounds: int) -> Outcome:
    """Kills a service `rounds` times while clients push, each time after it has acknowledged some pushes."""
    port, chance = free_port(), random.Random(1)
    pushers = [Pusher(port, client * 10_000_000) for client in range(_CLIENTS)]
    for round_ in range(rounds + 1):
        with service(folder, port) as process:
            if round_ == 0:
                for one in pushers:
                    one.start()
            wanted = sum(one.num_pushes for one in pushers) + _CLIENTS
            while sum(one.num_pushes for one in pushers) < wanted:
                assert process.poll() is None and all(one.is_alive() for one in pushers)
                time.sleep(0.01)
            if round_ < rounds:
                time.sleep(chance.uniform(0.0, 0.5))
                process.kill()
                process.wait()
                continue
            for one in pushers:
                one.is_over.set()
            for one in pushers:
                one.join()
            process.send_signal(signal.SIGTERM)
            assert process.wait(_START_SECS) == 0
    assert sum(one.num_again for one in pushers) >= rounds  # it was under load when it was killed
    return looked_at(folder, rounds, set().union(*(one.acknowledged for one in pushers)))


def kill_client(folder: Path, rounds: int) -> Outcome:
    """Kills a client `rounds` times while it pushes, and lets the spool be sent at the end."""
    port, chance = free_port(), random.Random(2)
    spool, said = folder / "spool", 1
    with service(folder, port):
        url = f"http://127.0.0.1:{port}"
        for _ in range(rounds):
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
    return looked_at(folder, rounds, {trial(number).trial_id for number in range(2, said + 1)})
