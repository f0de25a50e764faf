"""Lists of cores, and threads that keep to them."""

import os

import pytest

from search.measure.cores import bind_to, keep_threads_in_place, parse_cores
from tunedb.errors import UsageError


@pytest.mark.parametrize(
    ("text", "cores"), [("0", (0,)), ("0-3", (0, 1, 2, 3)), ("6,0-1", (0, 1, 6)), (" 2 , 2-3", (2, 3))]
)
def test_cores_are_read(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,", "-1", "0--2", "0x1"])
def test_what_is_no_list_of_cores_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="cores are a list"):
        parse_cores(text)


def test_a_core_that_there_is_not_is_named() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(UsageError, match="core 99999"):
        bind_to((99999,))
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(("num_cores", "kept"), [(1, None), (1 << 16, "0")])
def test_threads_stay_where_the_process_may_be(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, kept: str | None
) -> None:
    monkeypatch.delenv("TVM_BIND_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: num_cores)
    keep_threads_in_place()
    assert os.environ.get("TVM_BIND_THREADS") == kept
    monkeypatch.delenv("TVM_BIND_THREADS", raising=False)
