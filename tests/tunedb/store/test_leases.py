"""What leases promise, wherever a store is: what is leased to one is leased to nobody else, until its time is over."""

import multiprocessing
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunedb.errors import StoreError, UsageError
from tunedb.store.contract import Store
from tunedb.store.leases import ArtifactLeases, Leases
from tunedb.store.opening import open_store


@pytest.fixture(params=["memory", "delta", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        opened = open_store(bucket.url, storage_options=bucket.options)
    else:
        opened = open_store("memory:" if request.param == "memory" else tmp_path / "store")
    yield opened
    opened.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_leased_once(store: Store) -> None:
    leases: Leases = store.leases
    assert leases.claim("a", ["x", "y"], 60) == {"x", "y"}
    assert leases.claim("b", ["y", "z"], 60) == {"z"}
    assert leases.claim("a", ["y", "w"], 60) == {"y", "w"}, "one's own are kept"
    assert leases.leased(["x", "y", "z", "w", "v"]) == {"x", "y", "z", "w"}


def test_what_is_given_back_is_free(store: Store) -> None:
    leases: Leases = store.leases
    leases.claim("a", ["x", "y"], 60)
    leases.release("a", ["x"])
    assert leases.claim("b", ["x", "y"], 60) == {"x"}
    leases.release("a")
    leases.release("a")  # does no harm
    assert leases.claim("b", ["x", "y"], 60) == {"x", "y"}


def test_what_one_that_died_had_is_taken_over_when_its_time_is_over(store: Store) -> None:
    clock = Clock()
    leases = ArtifactLeases(store.artifacts, clock)
    leases.claim("dead", ["x"], 60)
    clock.now += 59
    assert leases.claim("b", ["x"], 60) == set()
    clock.now += 2
    assert leases.leased(["x"]) == set()
    assert leases.claim("b", ["x"], 60) == {"x"}
    assert leases.renew("dead", 60) == set(), "it comes too late"


def test_who_renews_keeps_what_it_has(store: Store) -> None:
    clock = Clock()
    leases = ArtifactLeases(store.artifacts, clock)
    leases.claim("a", ["x"], 60)
    for _ in range(3):
        clock.now += 50
        assert leases.renew("a", 60) == {"x"}
    assert leases.claim("b", ["x"], 60) == set()


def test_nothing_claimed_is_nothing_granted(store: Store) -> None:
    assert store.leases.claim("a", [], 60) == set()
    assert store.leases.renew("a", 60) == set()


@pytest.mark.parametrize(("holder", "secs"), [("", 60.0), ("../a", 60.0), ("a b", 60.0), ("a", 0.0), ("a", 1e9)])
def test_nonsense_is_refused(store: Store, holder: str, secs: float) -> None:
    with pytest.raises(UsageError):
        store.leases.claim(holder, ["x"], secs)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"until": 3}', b'{"until": {"x": "soon"}}', b"\xff"])
def test_a_file_that_tells_of_no_leases_is_named(store: Store, content: bytes) -> None:
    store.artifacts.write("leases/broken.json", content)
    with pytest.raises(StoreError, match=r"broken\.json"):
        store.leases.claim("a", ["x"], 60)


def claim_all(url: str, holder: str, found: "multiprocessing.Queue[tuple[str, list[str]]]") -> None:
    with open_store(url) as store:
        keys = [f"key{number}" for number in range(40)]
        random.Random(holder).shuffle(keys)
        granted: list[str] = []
        for start in range(0, len(keys), 4):
            granted += store.leases.claim(holder, keys[start : start + 4], 600)
    found.put((holder, granted))


def test_several_processes_never_have_the_same(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    open_store(url).close()
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    crowd = [context.Process(target=claim_all, args=(url, f"p{number}", found)) for number in range(4)]
    for process in crowd:
        process.start()
    granted = [key for _ in crowd for key in found.get(timeout=120)[1]]
    for process in crowd:
        process.join()
    assert granted
    assert len(granted) == len(set(granted))
