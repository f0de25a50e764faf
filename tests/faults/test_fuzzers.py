"""The short form of every fuzzer; `make fuzz` runs the long one."""

from __future__ import annotations

import pytest

from tests.faults.fuzzers import FUZZERS
from tests.faults.harness import check_short


@pytest.mark.parametrize("name", FUZZERS)
def test_nothing_is_found(name: str) -> None:
    check_short(FUZZERS[name]())
