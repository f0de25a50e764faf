"""Lines of MetaSchedule's databases: good ones are trials, bad ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tunedb.logfiles import (
    RECORD_NAME,
    database,
    record_line,
)
from tunedb.ingest.pipeline import ingest
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore

BAD_LINES = {
    "truncated": (record_line(1)[:200], "not a record"),
    "garbage": (b"%$#@!", "not a record"),
    "blank": (b"", "a blank line"),
    "null": (b"null", "not a record"),
    "Infinity": (record_line(1, run_secs="[Infinity]"), "not a record"),
    "NaN": (record_line(1, run_secs="[NaN]"), "not a record"),
    "too large": (record_line(1, run_secs="[1e999]"), "not a record"),
    "negative": (record_line(1, run_secs="[-0.001]"), "a run time of -0.001 seconds"),
    "zero": (record_line(1, run_secs="[0]"), "a run time of 0.0 seconds"),
    "no times": (record_line(1, run_secs="[]"), "no run times"),
    "times are null": (record_line(1, run_secs="null"), "no run times"),
    "index out of range": (record_line(1, index=1), "workload index 1"),
    "negative index": (record_line(1, index=-1), "workload index -1"),
    "not UTF-8": (record_line(1).replace(b"GetSBlock", b"Get\xffBlock"), "UTF-8"),
    "no target": (record_line(1, target="null"), "target"),
    "deep": (record_line(1).replace(b"[[1,1]]", b"[" * 20_000), "not a record"),
    "odd instruction": (record_line(1).replace(b'["GetSBlock",[]', b'["GetSBlock",7'), "instructions"),
    "decisions are no array": (record_line(1).replace(b"[[1,1]]", b"{}"), "decisions"),
}


@pytest.mark.parametrize("label", BAD_LINES)
def test_a_bad_line_is_named_and_the_rest_is_stored(tmp_path: Path, label: str) -> None:
    line, reason = BAD_LINES[label]
    database(tmp_path, [record_line(0), line, record_line(2)])
    store = MemoryStore()
    report = ingest(store, [tmp_path])
    assert report.added == 2
    (rejected,) = report.rejected
    assert (Path(rejected.uri).name, rejected.line) == (RECORD_NAME, 2)
    assert reason in rejected.reason
    assert line.startswith(rejected.content)
    assert list(store.rejected()) == [rejected]
    assert [row.rejected for row in report.files if row.format == "metaschedule-json"] == [1]


def test_the_last_line_without_its_end(tmp_path: Path) -> None:
    database(tmp_path)
    path = tmp_path / RECORD_NAME
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert ingest(MemoryStore(), [tmp_path]).added == 3
    path.write_bytes(path.read_bytes()[:-30])
    report = ingest(MemoryStore(), [tmp_path])
    assert (report.added, report.num_rejected, report.rejected[0].line) == (2, 1, 3)


def test_a_failed_trial_is_a_trial(tmp_path: Path) -> None:
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, [record_line(0), record_line(1, run_secs="[1e10]")])])
    assert (report.added, report.failed_trials, report.num_rejected) == (2, 1, 0)
    (failed,) = store.trials(outcome=Outcome.FAILED)
    assert failed.run_secs == ()


def test_white_space_makes_no_other_trial(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path / "tight", [record_line(0)])])
    loose = record_line(0).replace(b",", b", ").replace(b"0.5", b"0.50000")
    report = ingest(store, [database(tmp_path / "loose", [loose])])
    assert (report.records, report.added) == (1, 0)
