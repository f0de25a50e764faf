"""Which line of a workload file an index means."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tunedb.logfiles import workload_line
from tunedb.ingest.formats.metaschedule import listed, read_workload
from tunedb.ingest.programs import Programs

LISTED = listed(*read_workload(workload_line()))


def programs(text: str) -> Programs:
    found = Programs()
    for line in text:
        if line == ".":
            found.add_blank()
        else:
            found.add(None if line == "x" else replace(LISTED, workload_id=line))
    return found


@pytest.mark.parametrize(
    ("lines", "highest", "meant"),
    [
        ("abc", 2, "abc"),
        ("abc..", 7, "abc"),  # blank lines at the end are no lines
        ("a.b.c", 2, "abc"),  # blank lines came later
        (".ab", 1, "ab"),
        ("a.c", 2, "a.c"),  # one line was made blank
        (".b.", 1, ".b"),
        ("axc", 2, "a.c"),  # a bad line is a line
        ("", 3, ""),
        ("..", 3, ""),
    ],
)
def test_what_an_index_means(lines: str, highest: int, meant: str) -> None:
    refs = programs(lines).refs(lambda: highest)
    assert "".join("." if ref is None else ref.workload_id for ref in refs) == meant


def test_the_records_are_read_only_where_it_makes_a_difference() -> None:
    def never() -> int:
        raise AssertionError

    assert len(programs("abx..").refs(never)) == 3
