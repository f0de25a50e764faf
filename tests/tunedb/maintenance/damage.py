"""A small store to damage, and what is left of it."""

from __future__ import annotations

from pathlib import Path

from tests.tunedb.samples import TARGET, trial
from tunedb import open_store
from tunedb.maintenance.verify import verify


def good(number: int, target_id: str = TARGET.target_id):  # type: ignore[no-untyped-def]
    return trial(number, target_id=target_id)


def problems(folder: Path) -> list[str]:
    with open_store(folder, create=False) as store:
        return verify(store)


def newest(folder: Path, table: str, pattern: str = "*.parquet") -> Path:
    return max((folder / table).rglob(pattern), key=lambda file: file.stat().st_mtime_ns)


def trials_left(folder: Path) -> set[str]:
    with open_store(folder, create=False) as store:
        assert verify(store) == []
        store.target_summaries()
        return {row.trial_id for row in store.trials()}
