"""history, compare, sql, and asking the store as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.tunedb.samples import verdict
from tunedb import open_store
from tunedb.identity import trace_id


@pytest.fixture
def filled(run: Run, logs: Path, tmp_path: Path) -> Path:
    store = tmp_path / "store"
    assert run("ingest", logs, "--store", store, "--hardware", "a machine").exit_code == 0
    return store


def matmul(run_json: Callable[..., dict[str, Any]], store: Path) -> str:
    found = run_json("workloads", "--store", store)["workloads"]
    return next(str(row["workload_hash"]) for row in found if row["name"].startswith("matmul"))


def test_history_falls_and_ends_at_the_best(run_json: Callable[..., dict[str, Any]], filled: Path) -> None:
    workload = matmul(run_json, filled)
    found = run_json("history", workload[:8], "--target", "znver5", "--store", filled)
    (source,) = found["sources"]
    secs = [step["run_secs_median"] for step in source["improvements"]]
    assert source["trials"] == 128
    assert secs == sorted(secs, reverse=True)
    best = run_json("best", workload, "--target", "znver5", "--store", filled)
    assert secs[-1] == best["run_secs_median"]
    assert source["improvements"][-1]["record_id"] == best["record_id"]


def test_compare_sets_targets_side_by_side(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    found = run_json("compare", "--store", filled)["results"]
    assert {row["name"].split()[0] for row in found} == {"matmul", "norm"}  # the third has one target only
    assert len({(row["workload_hash"], row["target_id"]) for row in found}) == len(found) == 4
    assert min(row["ratio"] for row in found) == 1.0
    assert len(run_json("compare", matmul(run_json, filled)[:8], "--store", filled)["results"]) == 2
    assert run("compare", "zz", "--store", filled).exit_code == 3


def test_best_pools_and_shows_ties(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    workload = matmul(run_json, filled)
    found = run_json("best", workload, "--target", "znver5", "--top", "5", "--store", filled)["results"]
    assert [row["estimate_secs"] for row in found] == sorted(row["estimate_secs"] for row in found)
    assert all(row["low_secs"] < row["estimate_secs"] < row["high_secs"] for row in found)
    assert found[0]["tied"]
    assert "cannot be told" in run("best", workload, "--target", "znver5", "--top", "5", "--store", filled).stdout


def test_best_and_show_say_what_was_verified(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    workload = matmul(run_json, filled)
    asked = ("best", workload, "--target", "znver5", "--store", filled)
    first = run_json(*asked)
    assert first["verified"] is None
    assert "unknown" in run(*asked).stdout
    with open_store(filled) as store:
        wrong = [
            verdict(0, 0.3, workload_id=workload, target_id=first["target_id"], trace_id=trace_id(trial.trace))
            for trial in store.trials(workload, first["target_id"])
        ]
        (judged,) = [one for one in wrong if one.trace_id == trace_id(store.trial(first["record_id"]).trace)]
        store.append_verdicts([judged])
    second = run_json(*asked)
    assert second["record_id"] != first["record_id"]
    shown = run("show", first["record_id"], "--store", filled).stdout
    assert "verified no: deviates from the untuned program by 3e-01 with arguments negative" in shown
    assert f"{first['record_id'][:12]} verified no" in run("show", workload, "--store", filled).stdout
    assert run_json("stats", "--store", filled)["verdicts"] == 1
    with open_store(filled) as store:
        store.append_verdicts(wrong)
    only = run_json(*asked)
    assert (only["record_id"], only["verified"]) == (first["record_id"], False)
    text = run(*asked).stdout
    assert "WRONG    nothing else is known of it: no: deviates" in text


def test_sql_answers_and_refuses(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    found = run_json("sql", "SELECT outcome, count(*) AS n FROM trials GROUP BY outcome", "--store", filled)
    assert found["columns"] == ["outcome", "n"]
    assert sum(row[1] for row in found["rows"]) == run_json("stats", "--store", filled)["trials"]
    assert run("sql", "SELECT decisions, added_at FROM trials JOIN sources USING (source_id) LIMIT 1").exit_code == 3
    assert run("sql", "DROP VIEW trials", "--store", filled).exit_code == 2
    assert run("sql", "SELECT * FROM nowhere", "--store", filled).exit_code == 3


def test_the_store_as_it_was(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    now = run_json("stats", "--store", filled)
    assert run_json("stats", "--store", filled, "--as-of", now["version"])["trials"] == now["trials"]
    assert run_json("stats", "--store", filled, "--as-of", "0")["trials"] == 0
    assert run_json("workloads", "--store", filled, "--as-of", "2001-01-01")["workloads"] == []
    assert run("stats", "--store", filled, "--as-of", "999").exit_code == 3
    assert run("stats", "--store", filled, "--as-of", "soon").exit_code == 2


def test_show_takes_workloads_and_records(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    workload = matmul(run_json, filled)
    found = run_json("show", workload[:8], "--store", filled)
    assert (found["kind"], found["workload_hash"]) == ("workload", workload)
    assert len(found["results"]) == 2
    best = run_json("best", workload, "--target", "znver5", "--store", filled)
    record = run_json("show", best["record_id"][:10], "--store", filled)
    assert record["kind"] == "record"
    assert {key: record[key] for key in ("record_id", "trace", "run_secs", "source", "target")} == {
        key: best[key] for key in ("record_id", "trace", "run_secs", "source", "target")
    }
    assert best["record_id"] in run("show", best["record_id"], "--store", filled).stdout
    for unknown in ("zz", "' OR 1=1 --", "ffffffffffffffffffffffff"):
        assert run("show", unknown, "--store", filled).exit_code == 3


def test_merge_verify_and_repair(run_json: Callable[..., dict[str, Any]], run: Run, filled: Path) -> None:
    merged = filled.parent / "merged"
    first = run_json("merge", filled, "--store", merged)
    assert first["added"] == run_json("stats", "--store", filled)["trials"]
    assert run_json("merge", filled, "--store", merged)["added"] == 0
    assert run("merge", filled.parent / "nowhere", "--store", merged).exit_code == 3
    assert run_json("verify", "--store", merged)["ok"]
    next((merged / "trials").glob("*.parquet")).write_bytes(b"broken")
    broken = run("verify", "--store", merged)
    assert broken.exit_code == 1
    assert "tunedb repair" in broken.stdout
    assert run_json("repair", "--store", merged)["repaired"]
    assert run_json("verify", "--store", merged)["ok"]
    assert run_json("merge", filled, "--store", merged)["added"] > 0  # what was lost is had again


def test_sql_as_csv(run: Run, filled: Path) -> None:
    query = "SELECT 1 AS one, 'a,b' AS two, NULL AS three, [1.5, 2] AS four, sum(2) AS five"
    assert run("sql", query, "--csv", "--store", filled).stdout == 'one,two,three,four,five\n1,"a,b",,"[1.5, 2]",2\n'
    assert run("sql", query, "--csv", "--json", "--store", filled).exit_code == 2
