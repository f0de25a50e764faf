"""ingest, best, workloads, targets and stats, on a real store with real logs."""

from __future__ import annotations

import gzip
import json
import shutil

import pytest


@pytest.fixture
def gemm(run_json, store):
    """GMM-0's row; it was measured for two targets."""
    rows = run_json("workloads", "--store", store)["workloads"]
    (row,) = [row for row in rows if row["targets"] == 2 and "128x128" in row["name"]]
    return row


def test_ingesting_twice_adds_nothing(run_json, logs, tmp_path):
    first = run_json("ingest", logs, "--store", tmp_path / "store")
    again = run_json("ingest", logs, "--store", tmp_path / "store")
    assert first["added"] == 128 * 3 + 60 * 2
    assert first["rejected"] == 0
    assert again["added"] == 0
    assert again["duplicates"] == first["added"]
    assert sum(row["added"] for row in first["files"]) == first["added"]


def test_bad_input_is_named_and_the_rest_is_stored(run, run_json, logs, tmp_path):
    folder = tmp_path / "logs"
    shutil.copytree(logs / "znver5-1core" / "NRM-1", folder / "NRM-1")
    records = folder / "NRM-1" / "database_tuning_record.json"
    lines = records.read_bytes().splitlines()
    lines[3:3] = [b"null", b"{}", lines[0][: len(lines[0]) // 2], b"\xff\xfe"]
    records.write_bytes(b"\n".join(lines) + b"\n")

    result = run("ingest", folder, "--store", tmp_path / "store")

    assert result.exit_code == 4
    for number in (4, 5, 6, 7):
        assert f"{records}:{number}: " in result.stderr
    assert "Traceback" not in result.stderr
    stats = run_json("stats", "--store", tmp_path / "store", "--rejected", 10)
    assert (stats["trials"], stats["rejected"]) == (60, 4)
    assert [piece["line"] for piece in stats["rejections"]] == [4, 5, 6, 7]
    assert run("stats", "--store", tmp_path / "store", "--rejected", 10).stdout.count(str(records)) == 4


def test_a_folder_without_logs_is_bad_input(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("ingest", tmp_path / "empty", "--store", tmp_path / "store")
    assert result.exit_code == 4
    assert "empty" in result.stderr


def test_long_lists_of_rejections_are_cut(run, logs, tmp_path):
    folder = tmp_path / "logs"
    shutil.copytree(logs / "znver5-1core" / "NRM-1", folder)
    with (folder / "database_tuning_record.json").open("ab") as records:
        records.write(b"null\n" * 30)
    result = run("ingest", folder, "--store", tmp_path / "store")
    assert result.exit_code == 4
    assert result.stderr.count("rejected: ") == 20
    assert "and 10 more: `tunedb stats --rejected 30` lists them" in result.stderr


def test_ingesting_nothing_that_is_there(run, tmp_path):
    result = run("ingest", tmp_path / "nosuch", "--store", tmp_path / "store")
    assert result.exit_code == 3
    assert not (tmp_path / "store").exists()


def test_the_store_comes_from_the_environment(run, run_json, store, monkeypatch):
    monkeypatch.setenv("TUNEDB_STORE", str(store))
    assert run_json("stats")["trials"] == 504
    assert run("stats", "--store", store.parent / "other").exit_code == 3


@pytest.mark.parametrize("verb", ["stats", "workloads", "targets", "train"])
def test_no_store_is_not_found(run, verb):
    result = run(verb)
    assert result.exit_code == 3
    assert "there is no store at" in result.stderr
    assert "tunedb ingest" in result.stderr
    assert result.stdout == ""


def test_workloads(run, store, gemm):
    assert gemm["trials"] == 256
    assert gemm["failed"] == 0
    assert gemm["tvm_versions"] == ["0.27.0.post1"]
    assert all(hash_.isdecimal() for hash_ in gemm["structural_hashes"])
    text = run("workloads", "--store", store).stdout
    assert gemm["workload_hash"][:12] in text
    assert gemm["name"] in text
    assert text.splitlines()[-1] == "3 workloads"


def test_targets(run, run_json, store):
    rows = run_json("targets", "--store", store)["targets"]
    assert {(row["arch"], row["trials"]) for row in rows} == {("znver5", 316), ("x86-64-v3", 188)}
    assert {row["hardware"]["name"] for row in rows} == {"AMD EPYC Zen 5"}
    assert "llvm znver5 1 core" in run("targets", "--store", store).stdout


def test_best_of_one_target_has_the_documented_keys(run_json, store, gemm):
    found = run_json("best", gemm["workload_hash"][:10], "--target", "znver5", "--store", store)
    assert found["workload_hash"] == gemm["workload_hash"]
    assert json.loads(found["target"])["mcpu"] == "znver5"
    assert found["run_secs_median"] == pytest.approx(17.4e-6, rel=0.01)
    assert found["run_secs_min"] <= found["run_secs_median"] <= found["run_secs_max"]
    assert len(found["record_id"]) >= 16
    instructions, decisions = found["trace"]
    assert instructions[0][0] == "GetSBlock"
    assert decisions
    assert len(found["results"]) == 1


def test_best_shows_targets_apart(run, run_json, store, gemm):
    found = run_json("best", gemm["structural_hashes"][0], "--top", 2, "--store", store)
    archs = [json.loads(record["target"])["mcpu"] for record in found["results"]]
    assert archs == ["znver5", "znver5", "x86-64-v3", "x86-64-v3"]
    assert found["record_id"] == found["results"][0]["record_id"]
    text = run("best", gemm["workload_hash"], "--store", store).stdout
    assert text.count("trace of rank 1:") == 2
    assert "SamplePerfectTile" in text
    assert " us " in text


def test_best_of_what_is_not_there(run, store, gemm):
    for arguments in (["zzzz"], [gemm["workload_hash"], "--target", "nosuch"]):
        result = run("best", *arguments, "--store", store)
        assert result.exit_code == 3
        assert result.stderr.startswith("tunedb: error: ")
        assert result.stdout == ""


def test_best_of_a_target_without_good_trials(run, run_json, store):
    rows = run_json("workloads", "--store", store)["workloads"]
    (only_one,) = [row for row in rows if row["targets"] == 1]
    result = run("best", only_one["workload_hash"], "--target", "x86-64-v3", "--store", store)
    assert result.exit_code == 3
    assert "no good trial" in result.stderr


def test_an_ambiguous_prefix_names_the_choices(run, run_json, store):
    hashes = [h for row in run_json("workloads", "--store", store)["workloads"] for h in row["structural_hashes"]]
    first_digits = [h[0] for h in hashes] + [
        row["workload_hash"][0] for row in run_json("workloads", "--store", store)["workloads"]
    ]
    shared = next((digit for digit in first_digits if first_digits.count(digit) > 1), None)
    if shared is None:
        pytest.skip("these logs share no first digit")
    result = run("best", shared, "--store", store)
    assert result.exit_code == 3
    assert "fits" in result.stderr


def test_what_is_skipped_is_named(run, run_json, logs, tmp_path):
    folder = tmp_path / "logs"
    shutil.copytree(logs / "znver5-1core" / "NRM-1", folder / "NRM-1")
    for number in range(8):
        (folder / f"notes{number}.md").write_text("no log")
    result = run("ingest", folder, "--store", tmp_path / "store")
    assert result.exit_code == 0
    assert f"skipped 8 files (not a tuning log): {folder}/notes0.md, " in result.stdout
    assert "and 3 more" in result.stdout
    document = run_json("ingest", folder, "--store", tmp_path / "store")
    assert document["skipped_files"] == len(document["skipped"]) == 8
    assert document["skipped"][0] == {"uri": f"{folder}/notes0.md", "reason": "not a tuning log"}


def test_salvage(run, run_json, logs, tmp_path):
    whole = (logs / "znver5-1core" / "NRM-1" / "database_tuning_record.json").read_bytes()
    path = tmp_path / "database_tuning_record.json.gz"
    path.write_bytes(gzip.compress(whole)[:-9])
    refused = run("ingest", path, "--store", tmp_path / "store")
    assert refused.exit_code == 4
    assert "nothing of it is stored (--salvage stores what precedes it)" in refused.stderr
    assert run_json("stats", "--store", tmp_path / "store")["trials"] == 0
    assert run("ingest", path, "--salvage", "--store", tmp_path / "store").exit_code == 4
    assert run_json("stats", "--store", tmp_path / "store")["trials"] > 30
