"""The logs in data/ are read as they are, archives and all, and hold what data/README.md says."""

from pathlib import Path

DATA = Path(__file__).parents[2] / "data"


def test_data_is_whole(run_json, tmp_path):
    report = run_json("ingest", DATA, "--hardware", "data", "--store", tmp_path / "store")
    assert (report["added"], report["failed"], report["rejected"]) == (41262, 92, 0)
    targets = run_json("targets", "--store", tmp_path / "store")["targets"]
    assert {(row["arch"], row["trials"]) for row in targets} == {
        ("znver5", 13069),
        ("x86-64-v3", 1724),
        ("rocketlake", 18926),
        ("haswell", 3692),
        ("znver4", 3851),
    }
    assert f"{report['added']:,} trials" in (DATA / "README.md").read_text()
