"""Lines of MetaSchedule's databases: good ones are trials, bad ones are named."""

from __future__ import annotations

import json
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
    "null": (b"null", "not a record"),
    "a word among the times": (record_line(1, run_secs='[0.1,"fast"]'), "among its run times is 'fast'"),
    "null among the times": (record_line(1, run_secs="[0.1,null]"), "among its run times is 'None'"),
    "true among the times": (record_line(1, run_secs="[true]"), "among its run times is 'True'"),
    "a list among the times": (record_line(1, run_secs="[[0.1]]"), "among its run times is '[0.1]'"),
    "NaN in the decisions": (record_line(1).replace(b"[[1,1]]", b"[[1,NaN]]"), "the decisions: nan is no number"),
    "Infinity in the target": (record_line(1, target='{"kind":"llvm","num-cores":Infinity}'), "the target: inf"),
    "half a character": (
        record_line(1, run_secs="[NaN]").replace(b'"v1"', b'"\\ud800"'),
        "half a character",
    ),
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


ODD_TIMES = {
    "[0]": "a run time of 0.0 seconds, which no machine has",
    "[0.001,0,0.002]": "a run time of 0.0 seconds, which no machine has (all: 0.001, 0.0, 0.002)",
    "[-0.001]": "a run time of -0.001 seconds",
    "[1e-320]": "a run time of 1e-320 seconds",
    "[0.001,9e-10]": "a run time of 9e-10 seconds",
    "[NaN]": "a run time of nan seconds",
    "[0.001,NaN]": "a run time of nan seconds",
    "[Infinity]": "a run time of inf seconds",
    "[-Infinity, 0.1]": "a run time of -inf seconds",
    "[1e999]": "a run time of inf seconds",
    "[1" + "0" * 400 + "]": "a run time of inf seconds",
    "[1e10]": "",
    "[0.001,1e10]": "",
    "[0,1e10,NaN]": "",
}


@pytest.mark.parametrize("run_secs", ODD_TIMES, ids=lambda text: text[:20])
def test_a_trial_with_times_that_no_machine_has_failed_and_says_why(tmp_path: Path, run_secs: str) -> None:
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, [record_line(0), record_line(1, run_secs=run_secs)])])
    assert (report.added, report.failed_trials, report.num_rejected) == (2, 1, 0)
    (failed,) = store.trials(outcome=Outcome.FAILED)
    assert failed.run_secs == ()
    assert ODD_TIMES[run_secs] in failed.error
    assert bool(ODD_TIMES[run_secs]) == bool(failed.error)
    assert [trial.run_secs for trial in store.best(failed.workload_id, limit=9)] == [(0.001,)]


def test_an_odd_line_is_the_trial_that_it_would_be_without_its_oddity(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path / "plain", [record_line(0, run_secs="[1e10]")])])
    assert ingest(store, [database(tmp_path / "odd", [record_line(0, run_secs="[NaN]")])]).added == 0


@pytest.mark.parametrize("run_secs", ["[1]", "[1,0.5]", "[1E-9]", "[99999999]"])
def test_whole_and_extreme_run_times_are_good(tmp_path: Path, run_secs: str) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path, [record_line(0, run_secs=run_secs)])])
    (trial,) = store.trials(outcome=Outcome.OK)
    assert list(trial.run_secs) == json.loads(run_secs)


OTHER_ARGS = {
    "another shape": b'["TENSOR","float32",[4,17]]',
    "another dtype": b'["TENSOR","float16",[4,16]]',
    "another rank": b'["TENSOR","float32",[1,4,16]]',
    "one more": b'["TENSOR","float32",[4,16]],["TENSOR","float32",[4,16]]',
}


@pytest.mark.parametrize("label", OTHER_ARGS)
def test_a_record_beside_another_runs_workload_file_is_rejected(tmp_path: Path, label: str) -> None:
    stray = record_line(1).replace(b'["TENSOR","float32",[4,16]]', OTHER_ARGS[label])
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, [record_line(0), stray, record_line(2)])])
    (rejected,) = report.rejected
    assert (report.added, rejected.line, rejected.content) == (2, 2, stray)
    assert "the workload's are 4x16 float32, 16x8 float32, 4x8 float32" in rejected.reason
    told = {
        "another shape": "arguments are 4x17 float32, 16x8",
        "another dtype": "arguments are 4x16 float16, 16x8",
        "another rank": "arguments are 1x4x16 float32, 16x8",
        "one more": "arguments are 4x16 float32, 4x16 float32, 16x8",
    }
    assert told[label] in rejected.reason


def test_a_record_that_schedules_other_blocks_is_rejected(tmp_path: Path) -> None:
    report = ingest(
        MemoryStore(), [database(tmp_path, [record_line(0).replace(b'["C","main"]', b'["T_relu","main"]')])]
    )
    assert "the record schedules the block 'T_relu'; the workload has C" in report.rejected[0].reason


def test_two_logs_concatenated_give_each_workload_its_own_trials(tmp_path: Path) -> None:
    other = (
        record_line(7)
        .replace(b'["TENSOR","float32",[4,16]]', b'["TENSOR","float32",[32,16]]')
        .replace(b'["TENSOR","float32",[4,8]]', b'["TENSOR","float32",[32,8]]')
    )
    store = MemoryStore()
    report = ingest(store, [database(tmp_path, [record_line(0), record_line(1), other, other])])
    assert (report.added, [row.line for row in report.rejected]) == (2, [3, 4])


@pytest.mark.parametrize("args", [b"[]", b"null", b'[["OTHER",1]]'])
def test_a_record_that_says_nothing_of_its_arguments_is_believed(tmp_path: Path, args: bytes) -> None:
    line = record_line(0)
    silent = line[: line.index(b'[["TENSOR"')] + args + b"]]"
    assert ingest(MemoryStore(), [database(tmp_path, [silent])]).added == 1


@pytest.mark.parametrize(
    "text",
    ["llvm -keys=cpu -mcpu=znver5 -num-cores=1", "llvm -num-cores=1 -mcpu=znver5", "llvm -mcpu='znver5' --num-cores=1"],
)
def test_a_target_written_as_text_is_that_target(tmp_path: Path, text: str) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path, [record_line(0), record_line(1, target=json.dumps(text))])])
    (target,) = store.targets()
    assert (target.kind, target.arch, target.num_cores) == ("llvm", "znver5", 1)
    assert store.resolve_target(text) == target


def test_white_space_makes_no_other_trial(tmp_path: Path) -> None:
    store = MemoryStore()
    ingest(store, [database(tmp_path / "tight", [record_line(0)])])
    loose = record_line(0).replace(b",", b", ").replace(b"0.5", b"0.50000")
    report = ingest(store, [database(tmp_path / "loose", [loose])])
    assert (report.records, report.added) == (1, 0)
