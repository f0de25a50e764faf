"""Libraries side by side: ratios, and what becomes of one that cannot be run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.bench.libraries import compared, time_libraries


def test_ratios_are_medians_of_rounds_to_the_first() -> None:
    found = compared({0: [1.0, 2.0, 4.0], 2: [2.0, 2.0, 12.0]})
    assert found == {0: (2.0, 1.0), 2: (2.0, 2.0)}
    assert compared({}) == {}


@pytest.mark.tvm
def test_a_library_that_cannot_be_run_costs_itself_only(small_library: Path, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no library")
    broken = tmp_path / "broken.so"
    shutil.copy(small_library, broken)
    with broken.open("r+b") as file:  # the manifest stays, which stands further behind
        file.write(bytes(64))
    secs, errors = time_libraries([tmp_path / "text.so", small_library, broken, small_library], 1, rounds=2)
    assert {number: len(mine) for number, mine in secs.items()} == {1: 2, 3: 2}
    assert all(one > 0 for mine in secs.values() for one in mine)
    assert errors.keys() == {0, 2}
    assert "no manifest" in errors[0]
