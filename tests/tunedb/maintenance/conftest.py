"""A store to damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tunedb.maintenance.damage import good
from tests.tunedb.samples import AROUND, OTHER_TARGET
from tunedb import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two commits: trials 0 and 1, then 2 for another target."""
    with open_store(tmp_path / "store") as store:
        store.append([good(0), good(1)], **AROUND)
        store.append([good(2, OTHER_TARGET.target_id)], targets=[OTHER_TARGET])
    return tmp_path / "store"
