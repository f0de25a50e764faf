"""Stores of later versions are refused with advice; of each earlier version one is kept, which must migrate."""

from __future__ import annotations

from pathlib import Path

import deltalake
import pytest

from tunedb import open_store
from tunedb.errors import StoreSchemaError
from tunedb.store.schema import SCHEMA_VERSION

STORES = Path(__file__).parents[1] / "assets" / "stores"


def test_there_is_a_store_of_each_earlier_version() -> None:
    kept = {file.name for file in STORES.glob("*.tar.xz")}
    assert kept == {f"v{number}.tar.xz" for number in range(1, SCHEMA_VERSION)}


@pytest.mark.parametrize("table", ["trials", "workloads"])
def test_a_store_of_a_later_version_is_refused_with_advice(tmp_path: Path, table: str) -> None:
    open_store(tmp_path / "store").close()
    later = deltalake.DeltaTable(str(tmp_path / "store" / table))
    later.alter.set_table_description(f"tunedb schema {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreSchemaError, match="upgrade tunedb"), open_store(tmp_path / "store") as store:
        store.workloads()
