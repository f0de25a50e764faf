"""Filters are read from a query strictly, and written back to it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from service.dashboard.filters import Filters
from tunedb.errors import BadInputError


def test_what_is_read_is_written() -> None:
    told = [
        ("target", "znver5"),
        ("workload", "6e0a"),
        ("run", "tune:5f3a"),
        ("since", "2026-11-28"),
        ("other", "5f3b"),
    ]
    found = Filters.parse(told)
    assert found.since == datetime(2026, 11, 28, tzinfo=UTC)
    assert Filters.parse(parse_qsl(found.query())) == found
    assert Filters.parse([("target", "")]) == Filters() and Filters().query() == ""
    assert found.with_(run=None).items()[2][0] == "since"


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    assert Filters.parse([("since", "2026-11-28T02:00:00+02:00")]).since == datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ([("nosuch", "1")], "no filter 'nosuch'"),
        ([("run", "a"), ("run", "b")], "given twice"),
        ([("target", "x' OR 1=1 --")], "is no target"),
        ([("workload", "<script>")], "is no workload"),
        ([("workload", "a" * 129)], "is no workload"),
        ([("run", "../../etc/passwd")], "is no run"),
        ([("since", "yesterday")], "is no time"),
    ],
)
def test_what_is_no_filter_is_refused(query: list[tuple[str, str]], told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        Filters.parse(query)
