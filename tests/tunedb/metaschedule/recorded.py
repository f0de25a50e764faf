"""The shared logs as TVM and stock's own database see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tunedb.logfiles import RECORD_NAME, SHARED_LOGS, WORKLOAD_NAME
from tunedb.ingest.formats.metaschedule import read_workload

LOGS = SHARED_LOGS / "metaschedule"
ZNVER5 = {"kind": "llvm", "mcpu": "znver5", "num-cores": 1}
AVX2 = {"kind": "llvm", "mcpu": "x86-64-v3", "num-cores": 1}


def module_of(folder: str) -> Any:
    from tunedb.metaschedule.replay import load_module

    return load_module(read_workload((LOGS / folder / WORKLOAD_NAME).read_bytes())[1])


def stock_database(folder: str, tmp_path: Path) -> Any:
    from tvm.s_tir import meta_schedule as ms

    for name in (WORKLOAD_NAME, RECORD_NAME):  # stock wants to write where it reads
        (tmp_path / name).write_bytes((LOGS / folder / name).read_bytes())
    return ms.database.JSONDatabase(str(tmp_path / WORKLOAD_NAME), str(tmp_path / RECORD_NAME))


def tvm_target(text: dict[str, Any]) -> Any:
    import tvm

    return tvm.target.Target(text)
