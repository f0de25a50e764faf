"""Addresses as people write them, and what is no tracker. What a real one answers is in `test_fleet`."""

import socket
import threading

import pytest

from search.measure.fleet.tracker import Address, Tracker, TrackerError, parse_address
from tunedb.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9190", "127.0.0.1", 9190), (" lab:1 ", "lab", 1), ("[::1]:9190", "::1", 9190)],
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    found = parse_address(text)
    assert found == Address(host, port)
    assert str(found) == text.strip()


@pytest.mark.parametrize("text", ["", "lab", "lab:", ":9190", "lab:0", "lab:70000", "lab:9a", "::1:9190", "[lab]:1"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"tracker|brackets"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("10.0.0.5", False)]
)
def test_loopback_is_known(host: str, is_loopback: bool) -> None:
    assert Address(host, 1).is_loopback is is_loopback


def test_nothing_that_listens_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        with pytest.raises(TrackerError, match="no tracker answers"):
            Tracker(Address("127.0.0.1", taken.getsockname()[1])).servers(["box"])


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n"])
def test_what_is_no_tracker_is_said_so(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4)
                connection.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(TrackerError, match="tracker of TVM"):
            Tracker(Address("127.0.0.1", listening.getsockname()[1])).servers(["box"])
        thread.join(5)
