"""Builder and runner processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tunedb.records import Target


@pytest.fixture(scope="module")
def pools(target: Target) -> Iterator[Any]:
    from search.measure.local import PersistentBuilder, PersistentRunner

    made = PersistentBuilder(target, max_workers=1), PersistentRunner(target)
    yield made
    for pool in made:
        pool.close()
