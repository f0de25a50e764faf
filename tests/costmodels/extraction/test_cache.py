import numpy as np

from costmodels.extraction.cache import FeatureCache
from costmodels.features import loop_nest
from tunedb.store.artifacts import FolderArtifacts

ROWS = {f"t{i}": np.random.default_rng(i).normal(size=len(loop_nest.names())) for i in range(5)}


def test_gives_back_bit_for_bit_what_was_written(tmp_path):
    FeatureCache(FolderArtifacts(tmp_path), "1", loop_nest).write({"t0": ROWS["t0"]}, {"bad": "why"})
    FeatureCache(FolderArtifacts(tmp_path), "1", loop_nest).write({"t1": ROWS["t1"]}, {})

    rows, causes = FeatureCache(FolderArtifacts(tmp_path), "1", loop_nest).read(["t0", "t1", "bad", "unknown"])

    assert {i: row.tolist() for i, row in rows.items()} == {i: ROWS[i].tolist() for i in ("t0", "t1")}
    assert causes == {"bad": "why"}


def test_keeps_tvm_releases_apart_and_writes_the_same_content_once(tmp_path):
    cache = FeatureCache(FolderArtifacts(tmp_path), "1", loop_nest)
    cache.write(ROWS, {})
    cache.write(dict(reversed(ROWS.items())), {})
    cache.write({}, {})

    assert FeatureCache(FolderArtifacts(tmp_path), "2", loop_nest).read(ROWS) == ({}, {})
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_damaged_file_only_costs_its_rows(tmp_path):
    cache = FeatureCache(FolderArtifacts(tmp_path), "1", loop_nest)
    cache.write({"t0": ROWS["t0"]}, {})
    (path,) = tmp_path.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    cache.write({"t1": ROWS["t1"]}, {})

    assert set(cache.read(ROWS)[0]) == {"t1"}
