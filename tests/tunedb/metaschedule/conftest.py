"""A store of shared logs."""

from __future__ import annotations

import pytest

from tests.tunedb.metaschedule.recorded import LOGS
from tunedb import Store, open_store
from tunedb.ingest.pipeline import ingest


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    opened = open_store(tmp_path_factory.mktemp("tvm") / "store")
    folders = ("znver5-1core/GMM-0", "x86-64-v3-1core/GMM-0", "znver5-1core/CBR-1", "znver5-1core/NRM-0")
    ingest(opened, [LOGS / folder for folder in folders])
    return opened
