"""Leases over HTTP: what is leased to one is leased to nobody else, and nobody gives back what another has."""

from __future__ import annotations

import threading

import pytest

from service.tokens import Scope
from tests.conftest import RunningService
from tunedb.errors import AccessError, TunedbError
from tunedb.store.http.leases import HttpLeases


def test_a_key_is_leased_once(running_service: RunningService) -> None:
    with running_service.opened() as one, running_service.opened() as other:
        assert isinstance(one.leases, HttpLeases)
        assert one.leases.claim("a", ["x", "y"], 60) == {"x", "y"}
        assert other.leases.claim("b", ["y", "z"], 60) == {"z"}
        assert other.leases.leased(["x", "z", "w"]) == {"x", "z"}
        assert one.leases.renew("a", 60) == {"x", "y"}
        one.leases.release("a", ["x"])
        assert other.leases.claim("b", ["x", "y"], 60) == {"x"}
        one.leases.release("a")
        assert other.leases.claim("b", ["y"], 60) == {"y"}


def test_a_lease_ends_with_its_time(running_service: RunningService) -> None:
    with running_service.opened() as store:
        assert store.leases.claim("a", ["x"], 0.001) == {"x"}
        assert store.leases.claim("b", ["x"], 60) == {"x"}


def test_a_holder_is_its_senders(running_service: RunningService) -> None:
    with running_service.opened(Scope.WRITE, "board") as board, running_service.opened(Scope.WRITE, "laptop") as laptop:
        assert board.leases.claim("run", ["x"], 60) == {"x"}
        laptop.leases.release("run")
        assert laptop.leases.claim("run", ["x"], 60) == set()
    with running_service.opened(Scope.READ) as reader, pytest.raises(AccessError):
        reader.leases.claim("run", ["x"], 60)


def test_of_many_at_once_one_gets_each_key(running_service: RunningService) -> None:
    """Not even one time does nobody get a key: the service decides one after the other."""
    got: list[set[str]] = []

    def claim(number: int) -> None:
        with running_service.opened() as store:
            got.append(store.leases.claim(f"holder-{number}", [f"key-{one}" for one in range(20)], 60))

    threads = [threading.Thread(target=claim, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, got)) == 20 and len(set().union(*got)) == 20


def test_what_makes_no_sense_is_refused(running_service: RunningService) -> None:
    with running_service.opened() as store:
        for holder, secs in (("", 60.0), ("a b", 60.0), ("a", 0.0), ("a", 1e9)):
            with pytest.raises(TunedbError):
                store.leases.claim(holder, ["x"], secs)
