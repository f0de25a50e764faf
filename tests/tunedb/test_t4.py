"""Export as T4: valid by the published schema, and the same trials when it is ingested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.ingest.test_results import ASSETS
from tests.tunedb.ingest.test_tables import contents, full
from tests.tunedb.samples import verdict
from tunedb.errors import UsageError
from tunedb.identity import trace_id
from tunedb.ingest.formats.kernel_tuner import invalidity_of
from tunedb.ingest.pipeline import ingest
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore
from tunedb.t4 import export_t4

SCHEMA = ASSETS / "t4-results-schema-1.0.0.json"


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_same_trials_come_back(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    store, path = full(tmp_path), tmp_path / "out" / "results.json"
    first = next(store.trials())
    schedule = {"workload_id": first.workload_id, "target_id": first.target_id, "trace_id": trace_id(first.trace)}
    store.append_verdicts([verdict(0, float("inf"), **schedule)])
    report = export_t4(store, path)
    assert report.trials == len(list(store.trials()))
    assert report.failed_trials == sum(row.outcome is not Outcome.OK for row in store.trials())
    document = written(path)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert len(document["results"]) == report.trials
    again = MemoryStore()
    read = ingest(again, [path])
    assert (read.added, read.num_rejected) == (report.trials, 0)
    assert contents(again) == contents(store)
    assert again.verdicts() == store.verdicts()
    assert again.problems() == []
    assert ingest(store, [path]).added == 0


def test_what_others_read_of_it(tmp_path: Path) -> None:
    store, path = full(tmp_path), tmp_path / "results.json"
    export_t4(store, path)
    for result in written(path)["results"]:
        own = result["tunedb"]
        assert result["configuration"]
        assert result["times"]["runtimes"] == [pytest.approx(secs * 1e3) for secs in own["run_secs"]]
        assert (result["invalidity"] == "correct") == (own["outcome"] == "ok") == bool(result["measurements"])


@pytest.mark.parametrize("name", ["vector_add_cache.json", "vector_add-results.json"])
def test_of_kernel_tuner_and_back(tmp_path: Path, name: str) -> None:
    store = MemoryStore()
    ingest(store, [ASSETS / name])
    export_t4(store, tmp_path / "again.json")
    again = MemoryStore()
    ingest(again, [tmp_path / "again.json"])
    assert contents(again) == contents(store)
    rows = {
        json.dumps(row["configuration"], sort_keys=True): row for row in written(tmp_path / "again.json")["results"]
    }
    for result in written(ASSETS / "vector_add-results.json")["results"]:
        row = rows[json.dumps(result["configuration"], sort_keys=True)]
        assert row["invalidity"] == result["invalidity"]
        assert row["times"]["runtimes"] == pytest.approx(result["times"]["runtimes"])


def test_causes_of_failure_are_told_one_to_one() -> None:
    told = [
        (Outcome.OK, "", "correct"),
        (Outcome.COMPILE_ERROR, "x", "compile"),
        (Outcome.RUN_ERROR, "x", "runtime"),
        (Outcome.RUN_TIMEOUT, "x", "timeout"),
        (Outcome.WRONG_RESULT, "x", "correctness"),
        (Outcome.FAILED, "the configuration breaks a constraint of its kernel", "constraints"),
    ]
    assert [invalidity_of(outcome, error) for outcome, error, _ in told] == [word for *_, word in told]
    assert invalidity_of(Outcome.COMPILE_TIMEOUT, "x") == "timeout"
    assert invalidity_of(Outcome.FAILED, "") == "runtime"


def test_a_result_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    store, path = full(tmp_path), tmp_path / "results.json"
    report = export_t4(store, path)
    document = written(path)
    changed = next(row for row in document["results"] if row["tunedb"]["outcome"] == "ok")
    changed["tunedb"]["run_secs"] = [1e-9]
    path.unlink()
    path.write_text(json.dumps(document))
    again = MemoryStore()
    read = ingest(again, [path])
    assert (read.added, read.num_rejected) == (report.trials - 1, 1)
    assert "the trial is not what its id says" in read.rejected[0].reason


def test_a_choice_and_what_is_there_already(tmp_path: Path) -> None:
    store, path = full(tmp_path), tmp_path / "results.json"
    workload = next(store.trials()).workload_id
    report = export_t4(store, path, workload_id=workload, top_k=1)
    assert (report.workloads, report.failed_trials) == (1, 0)
    with pytest.raises(UsageError, match="is there already"):
        export_t4(store, path)
    assert len(written(path)["results"]) == report.trials
