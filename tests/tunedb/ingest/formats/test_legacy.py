"""Logs of AutoTVM and Ansor become trials; what is bad in them is named."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.logfiles import SHARED_LOGS
from tunedb.errors import BadInputError, NotFoundError
from tunedb.identity import canonical_target
from tunedb.ingest.formats.legacy import target_of_text
from tunedb.ingest.pipeline import ingest
from tunedb.records import Outcome
from tunedb.store.memory import MemoryStore
from tunedb.traces import validated_trace

ENTITY = [["tile_f", "sp", [6, 1, 32, 1]], ["unroll_explicit", "ot", 1]]
ARGS = [["TENSOR", [1, 3, 224, 224], "float32"], ["TENSOR", [64, 3, 7, 7], "float32"], [2, 2], None, "float32"]
STEPS = [[], [["SP", 2, 0, 1024, [2, 1, 4], 1], ["AN", 4, 0, 3]]]


def autotvm(secs: float = 1e-4, error: int = 0, **changed: Any) -> str:
    record = {
        "input": ["llvm -mcpu=skylake-avx512", "conv2d_NCHWc.x86", ARGS, {}],
        "config": {"index": 193, "code_hash": None, "entity": ENTITY},
        "result": [[secs], error, 1.7, 1539972731.25],
        "version": 0.2,
    }
    return json.dumps({**record, **changed})


def autotvm_first_form(secs: float = 1e-4) -> str:
    task = ["llvm -mcpu=skylake-avx512", "conv2d_NCHWc.x86", ARGS, {}, ["conv2d"], {"i": 193, "t": "", "e": ENTITY}]
    return json.dumps({"i": task, "r": [[secs], 0, 1.7, 1539972731.25], "v": 0.1})


def ansor(secs: float = 1e-4, key: str = '["matmul_add", 1024, 512, "float32"]', error: int = 0) -> str:
    task = [[key, "llvm -keys=cpu -link-params=0", [18, 64, 64]], STEPS]
    return json.dumps({"i": task, "r": [[secs, secs * 2], error, 0.3, 1607112214], "v": "v0.6"})


def store_of(tmp_path: Path, *lines: str) -> tuple[MemoryStore, list[tuple[int, str]]]:
    (tmp_path / "tune.log").write_text("\n".join(lines) + "\n")
    store = MemoryStore()
    report = ingest(store, [tmp_path / "tune.log"])
    return store, [(bad.line, bad.reason) for bad in report.rejected]


def test_an_autotvm_record(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, "# made by hand", autotvm(), "")
    assert bad == []
    (trial,) = store.trials()
    assert trial.run_secs == (1e-4,)
    assert trial.measured_at == datetime(2018, 10, 19, 18, 12, 11, 250000, UTC)
    assert trial.position == 1
    assert json.loads(trial.trace.instructions) == ["autotvm", "conv2d_NCHWc.x86"]
    assert json.loads(trial.trace.decisions) == ENTITY
    (workload,) = store.workloads()
    assert workload.name == "conv2d_NCHWc.x86 1x3x224x224 64x3x7x7 2x2 float32"
    (target,) = store.targets()
    assert target == canonical_target('{"kind":"llvm","mcpu":"skylake-avx512"}')
    assert [source.format for source in store.sources()] == ["autotvm"]


def test_both_forms_of_autotvm_are_one_trial(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, autotvm(), autotvm_first_form())
    assert bad == []
    assert len(list(store.trials())) == 1


def test_an_ansor_record(tmp_path: Path) -> None:
    store, bad = store_of(tmp_path, ansor(), ansor(key='["d7b65649a4dd54becea0a52aabbc5af5", 1, 1000]'))
    assert bad == []
    first, second = store.trials()
    assert first.run_secs == (1e-4, 2e-4)
    assert json.loads(first.trace.decisions) == STEPS
    assert json.loads(first.trace.instructions) == ["auto_scheduler", [18, 64, 64]]
    assert {row.name for row in store.workloads()} == {"matmul_add 1024x512 float32", "graph d7b65649 1x1000"}
    assert first.workload_id != second.workload_id


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (1, Outcome.COMPILE_ERROR),
        (4, Outcome.RUN_ERROR),
        (5, Outcome.WRONG_RESULT),
        (6, Outcome.COMPILE_TIMEOUT),
        (7, Outcome.RUN_TIMEOUT),
        (8, Outcome.FAILED),
    ],
)
@pytest.mark.parametrize("record", [autotvm, ansor])
def test_causes_of_failure(tmp_path: Path, record: Callable[..., str], number: int, outcome: Outcome) -> None:
    store, bad = store_of(tmp_path, record(1e9, error=number))
    assert bad == []
    (trial,) = store.trials()
    assert (trial.outcome, trial.run_secs) == (outcome, ())
    assert trial.error


def test_a_failure_without_a_number(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path, autotvm(1e9))
    assert [trial.outcome for trial in store.trials()] == [Outcome.FAILED]


def test_bad_lines_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = (
        autotvm(),
        '{"input": []}',
        autotvm(config={}),
        autotvm(result=[]),
        autotvm(input=["llvm mcpu", "t", [], {}]),
        autotvm(-1.0),
        autotvm()[:-9],
        autotvm(result=[[], 0, 1, 1]),
        autotvm(2e-4),
    )
    store, bad = store_of(tmp_path, *lines)
    assert [line for line, _ in bad] == [2, 3, 4, 5, 6, 7, 8]
    assert "has 'mcpu' where an option was expected" in bad[3][1]
    assert len(list(store.trials())) == 2


def test_streams_of_any_compression() -> None:
    for content in (autotvm().encode(), gzip.compress(ansor().encode())):
        store = MemoryStore()
        report = ingest(store, [io.BytesIO(content)])
        assert (report.added, report.num_rejected) == (1, 0)
        assert [source.uri for source in store.sources()] == ["<stdin>"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("cuda -model=1080ti", {"kind": "cuda", "model": "1080ti"}),
        ("llvm -keys=cpu -mattr=+neon,+dotprod", {"kind": "llvm", "keys": ["cpu"], "mattr": ["+neon", "+dotprod"]}),
        (
            "cuda -keys=cuda,gpu -max_num_threads=1024",
            {"kind": "cuda", "keys": ["cuda", "gpu"], "max_num_threads": 1024},
        ),
        ("llvm -link-params=0", {"kind": "llvm", "link-params": False}),
        ('{"kind": "llvm", "mcpu": "core-avx2"}', {"kind": "llvm", "mcpu": "core-avx2"}),
    ],
)
def test_targets_of_command_lines(text: str, fields: dict[str, object]) -> None:
    assert target_of_text(text) == canonical_target(fields)


@pytest.mark.parametrize(("line", "what"), [(autotvm(), "an AutoTVM configuration"), (ansor(), "an Ansor schedule")])
def test_their_schedules_are_not_taken_for_traces(tmp_path: Path, line: str, what: str) -> None:
    store, _ = store_of(tmp_path, line)
    (trial,) = store.trials()
    with pytest.raises(BadInputError, match=what):
        validated_trace(trial.trace)
    with pytest.raises(NotFoundError, match="its log did not have it"):
        store.module(trial.module_id)


@pytest.mark.skipif(not SHARED_LOGS.is_dir(), reason="the shared logs are not here")
def test_all_shared_logs_and_nothing_unexplained() -> None:
    report = ingest(MemoryStore(), [SHARED_LOGS])
    assert {row.format: (row.files, row.records, row.added, row.rejected) for row in report.formats()} == {
        "ansor": (5, 53, 53, 0),
        "autotvm": (6, 1808, 1807, 0),  # one line stands twice
        "metaschedule-json": (51, 8716, 8716, 1),
    }
    assert [bad.reason for bad in report.rejected] == [
        "its workload file is empty: its trials are of unknown workloads"
    ]
