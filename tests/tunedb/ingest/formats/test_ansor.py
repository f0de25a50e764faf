"""Ansor's logs become trials."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tunedb.logfiles import (
    STEPS,
    ansor,
    store_of,
)


def test_an_ansor_record(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, ansor(), ansor(key='["d7b65649a4dd54becea0a52aabbc5af5", 1, 1000]'))
    assert bad == []
    first, second = store.trials()
    assert first.run_secs == (1e-4, 2e-4)
    assert json.loads(first.trace.decisions) == STEPS
    assert json.loads(first.trace.instructions) == ["auto_scheduler", [18, 64, 64]]
    assert {row.name for row in store.workloads()} == {"matmul_add 1024x512 float32", "graph d7b65649 1x1000"}
    assert first.workload_id != second.workload_id
