"""A service and its clients, killed again and again under load: what was acknowledged is there, and nothing twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.kills import kill_client, kill_service
from tests.tunedb.samples import AROUND, trial

ROUNDS = 50
_HEAD = b"POST /v1/trials HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.slow
def test_a_service_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kill_service(tmp_path, ROUNDS).check()


@pytest.mark.slow
def test_a_client_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kill_client(tmp_path, ROUNDS).check()


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
