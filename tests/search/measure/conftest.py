"""This machine's CPU as a device, shared by the tests of a file."""

from collections.abc import Iterator
from typing import Any

import pytest

from tunedb.records import Target


@pytest.fixture(scope="module")
def device(target: Target) -> Iterator[Any]:
    from search.measure.local import LocalCpu

    with LocalCpu(target) as made:
        yield made
