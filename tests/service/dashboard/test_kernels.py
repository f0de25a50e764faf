"""Records of the reference kernels have pages like all others, though no list of workloads has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.dashboard.record import record_page
from tests.service.dashboard.views.conftest import COLD, kernel
from tests.tunedb.samples import AROUND
from tunedb import Store, open_store
from tunedb.machine.kernels import ARITHMETIC
from tunedb.query.description import RecordDescription, describe
from tunedb.records import Workload


@pytest.fixture(params=["memory:", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store that has nothing but a kernel's trials."""
    where = "memory:" if request.param == "memory:" else str(tmp_path / "store")
    at = datetime(2026, 11, 20, tzinfo=UTC)
    known = [Workload(ARITHMETIC.workload_id, "kernel", "matmul", "", ARITHMETIC.extents, "")]
    with open_store(where) as made:
        made.append([], **AROUND)
        made.append([kernel(0, 1e-3, at), kernel(1, 3e-3, at)], workloads=known, sources=[COLD])
        yield made


def test_a_kernels_record_is_described(store: Store) -> None:
    record = next(iter(store.trials(ARITHMETIC.workload_id))).trial_id
    found = describe(store, record[:20])
    assert isinstance(found, RecordDescription)
    assert found.workload.name == "kernel" and found.workload.num_trials == 2 and found.workload.num_targets == 1
    assert found.workload.best_secs is not None
    page = record_page(store, record[:20], wants_script=False)
    assert ("workload", f"kernel ({ARITHMETIC.workload_id[:12]})", "/dashboard/machines") in page["facts"]
