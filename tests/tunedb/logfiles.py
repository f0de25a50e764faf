"""Small logs for tests: MetaSchedule databases, made from the handmade graphs, and lines of older tuners."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.tunedb import graphs
from tunedb.ingest.pipeline import ingest
from tunedb.ingest.report import IngestReport
from tunedb.store.memory import MemoryStore

SHARED_LOGS = Path(__file__).parents[2].parent / "shared" / "logs"

WORKLOAD_NAME = "database_workload.json"
RECORD_NAME = "database_tuning_record.json"


def workload_line(graph: bytes | None = None, structural_hash: str = "123456789") -> bytes:
    """A line of a workload file."""
    graph = graphs.new_form() if graph is None else graph
    framed = len(graph).to_bytes(8, "little") + graph
    return json.dumps([structural_hash, base64.b64encode(framed).decode()]).encode()


def record_line(number: int, *, index: int = 0, run_secs: str | None = None, target: str | None = None) -> bytes:
    """A line of a record file, as TVM writes it: decisions say `number`."""
    instructions = (
        '[["GetSBlock",[],["C","main"],["b0"]],["SampleCategorical",[],[[0,16],[0.5,0.5]],["v1"]],'
        '["EnterPostproc",[],[],[]],["Parallel",["l53"],[],[]]]'
    )
    secs = run_secs if run_secs is not None else f"[{(number + 1) * 1e-3}]"
    about = target or '{"keys":["cpu"],"kind":"llvm","mcpu":"znver5","num-cores":1,"tag":""}'
    args = '[["TENSOR","float32",[4,16]],["TENSOR","float32",[16,8]],["TENSOR","float32",[4,8]]]'
    return f"[{index},[[{instructions},[[1,{number}]]],{secs},{about},{args}]]".encode()


def database(folder: Path, records: list[bytes] | None = None, workloads: list[bytes] | None = None) -> Path:
    """Writes a database of three records of one workload, or of the lines given."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [record_line(number) for number in range(3)] if records is None else records
    (folder / RECORD_NAME).write_bytes(b"".join(line + b"\n" for line in lines))
    modules = [workload_line()] if workloads is None else workloads
    (folder / WORKLOAD_NAME).write_bytes(b"".join(line + b"\n" for line in modules))
    return folder


def permissions_hold(folder: Path) -> bool:
    """Whether the file system refuses this user anything: root it does not."""
    probe = folder / "probe"
    probe.touch(mode=0)
    try:
        probe.read_bytes()
    except PermissionError:
        return True
    finally:
        probe.unlink()
    return False


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


def reasons(report: IngestReport) -> list[tuple[str, int, str]]:
    return [(Path(row.uri).name, row.line, row.reason) for row in report.rejected]
