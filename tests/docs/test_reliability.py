"""docs/reliability.md names tests that there are, and figures of all fuzzers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.fuzzers import FUZZERS
from tests.faults.harness import Tally
from tests.faults.page import with_figures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)(?:\[([\w-]+)\])?`", PAGE)


def test_every_test_that_is_named_is_there() -> None:
    assert len(NAMED) > 25
    for file, name, case in NAMED:
        source = ROOT / file
        assert source.is_file(), file
        assert re.search(rf"^def {name}\(", source.read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{name}"
        assert not case or case in FUZZERS, case


def test_every_promise_has_a_test() -> None:
    tables = re.findall(r"^\| (?:promise|status) \| held by \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == []


def test_every_fuzzer_is_told_and_holds_a_promise() -> None:
    assert {case for _, _, case in NAMED if case} == set(FUZZERS)
    for name in FUZZERS:
        assert re.search(rf"^\| `{name}` \| [^\d]", PAGE, re.MULTILINE), f"what {name} does"
        assert re.search(rf"^\| `{name}` \| [\d,]+ \| [\d,]+ \|", PAGE, re.MULTILINE), f"the figures of {name}"


def test_figures_are_written_into_their_row_alone() -> None:
    tally = Tally("kills", 1, tries=1234, secs=5.0, counts={"merge": 1000, "append": 234})
    changed = with_figures(PAGE, [tally], "2026-01-02, abc1234").splitlines()
    differing = [new for old, new in zip(PAGE.splitlines(), changed, strict=True) if old != new]
    assert differing == ["| `kills` | 1,234 | 0 | 234 append, 1,000 merge | 2026-01-02, abc1234 |"]
