"""Small made-up records for the store's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tunedb.identity import canonical_target, content_hash, source, trace_id, trial_id, with_verdict_id
from tunedb.machine.hardware import hardware_named
from tunedb.records import Module, Outcome, Trace, Trial, Verdict, Workload

TARGET = canonical_target('{"kind":"llvm","mcpu":"znver5","num-cores":1}')
OTHER_TARGET = canonical_target('{"kind":"llvm","mcpu":"skylake-avx512","num-cores":8}')
MACHINE = hardware_named("a machine")
SOURCE = source("logs/a_tuning_record.json", "metaschedule-json")

SHARED = b'[["GetSBlock",[],["C","main"],["b0"]],["SamplePerfectTile",["l2"],[4,64],["v6","v7","v8","v9"]]'
POSTPROC = b'["EnterPostproc",[],[],[]],["Parallel",["l53"],[],[]]]'
ARGS = b'[["TENSOR","float32",[1,128,128]]]'


def workload(name: str = "matmul") -> Workload:
    """A workload that is made up."""
    signature = f'{{"name":"{name}"}}'
    identity = content_hash("workload", signature)
    return Workload(identity, f"{name} 1x128x128 float32", name, "", (1, 128, 128), signature)


def module(of: Workload, version: str = "0.27.0.post1", structural_hash: str = "") -> Module:
    """A module of a workload, made up too."""
    text = f'{{"name":"{of.family}","version":"{version}"}}'.encode()
    number = structural_hash or str(int(content_hash(text)[:12], 16))
    return Module(content_hash("module", text), of.workload_id, number, version, text)


WORKLOAD = workload()
MODULE = module(WORKLOAD)
AROUND = {"workloads": [WORKLOAD], "modules": [MODULE], "targets": [TARGET], "hardware": [MACHINE], "sources": [SOURCE]}
"""What the trials refer to."""


def trial(number: int, secs: float | None = None, **changes: object) -> Trial:
    """The trial number `number`: its decisions say so. `secs=None` makes a good one of (number + 1) ms."""
    fields: dict[str, object] = {
        "workload_id": WORKLOAD.workload_id,
        "module_id": MODULE.module_id,
        "target_id": TARGET.target_id,
        "hardware_id": MACHINE.hardware_id,
        "trace": Trace(SHARED + b"," + POSTPROC, b"[[1,[%d,1,1,1]]]" % number),
        "run_secs": ((number + 1) * 1e-3 if secs is None else secs,),
        "outcome": Outcome.OK,
    }
    given = {name: changes.pop(name) for name in list(changes) if name in fields or name == "conditions"}
    fields.update(given)
    identity = trial_id(**fields)  # type: ignore[arg-type]
    rest: dict[str, object] = {"source_id": SOURCE.source_id, "position": number, "args_info": ARGS, **changes}
    return Trial(trial_id=identity, **fields, **rest)  # type: ignore[arg-type]


def failed(number: int, outcome: Outcome = Outcome.COMPILE_ERROR, error: str = "no such register") -> Trial:
    """A trial that failed."""
    return trial(number, run_secs=(), outcome=outcome, error=error)


def verdict(number: int, deviation: float = 1e-6, day: int = 0, **changes: object) -> Verdict:
    """A verdict of the schedule of the trial `number`, found on some day."""
    fields: dict[str, object] = {
        "workload_id": WORKLOAD.workload_id,
        "trace_id": trace_id(trial(number).trace),
        "target_id": TARGET.target_id,
        "hardware_id": MACHINE.hardware_id,
        "tvm_version": "0.27.0.post1",
        "deviation": deviation,
        "allowed_deviation": 1e-4,
        "arguments": "negative",
        "magnitude": 3.5,
        "found_at": datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC) + timedelta(days=day),
        "source": "compile",
        "tunedb_version": "0.1.0",
        "secs": 0.001,
        "untuned_secs": 0.002,
        **changes,
    }
    return with_verdict_id(Verdict(verdict_id="", **fields))  # type: ignore[arg-type]
