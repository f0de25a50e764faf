"""Small MetaSchedule databases for tests, made from the handmade graphs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.tunedb import graphs

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
