"""The example of docs/reading-elsewhere.md, run as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.samples import MACHINE, MODULE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial
from tunedb import open_store

PAGE = Path(__file__).parents[3] / "docs" / "reading-elsewhere.md"


def test_polars_reads_the_tables(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    with open_store(tmp_path / "store") as store:
        store.append(
            [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)],
            workloads=[WORKLOAD],
            modules=[MODULE],
            targets=[TARGET, OTHER_TARGET],
            hardware=[MACHINE],
            sources=[SOURCE],
        )
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace("/path/to/store", str(tmp_path / "store")), names)  # noqa: S102 - our own page
    assert names["best"].select("arch", "trials", "secs_median").rows() == [
        ("znver5", 2, 1e-3),
        ("skylake-avx512", 1, 4e-3),
    ]
