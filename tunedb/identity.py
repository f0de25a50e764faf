"""Hashes of content: what makes two workloads, targets, machines, conditions, traces or trials the same.

It is decided here alone.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from tunedb.errors import BadInputError
from tunedb.program.target_text import target_fields
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Module, Source, Target, Trace, Trial, Verdict, Workload
from tunedb.traces import split_instructions

_DIGEST_BYTES = 16
# These enter the hash of a machine whether they are set or not, as they always did; all others only when they are set.
_FIRST_MACHINE_FIELDS = ("name", "kind", "num_cores", "simd_bits", "l1d_bytes", "l2_bytes", "l3_bytes", "memory_bytes")
_FAILED_LINE = re.compile(rb"\b1e\+?(?:9|10)\b|\b10{9,10}(?:\.0)?\b")
UNNAMED = "unknown"
_ARCH_FIELDS = ("mcpu", "arch", "march", "model", "mtriple")
_EPOCH = datetime.fromtimestamp(0, UTC)


def content_hash(*parts: bytes | str) -> str:
    """128 bits of BLAKE2b over the parts, each with its length, as 32 hex digits."""
    pieces: list[bytes] = []
    for part in parts:
        piece = part.encode() if isinstance(part, str) else part
        pieces += (len(piece).to_bytes(8, "little"), piece)
    return blake2b(b"".join(pieces), digest_size=_DIGEST_BYTES).hexdigest()


def trace_id(trace: Trace) -> str:
    """The id of a trace: its instructions, postprocessors' included, and its decisions."""
    shared, postproc = split_instructions(trace.instructions)
    return trace_id_of_parts(instructions_id(shared), postproc, trace.decisions)


def instructions_id(shared: bytes) -> str:
    """The id of what the traces of one design space share (`tunedb.traces.split_instructions`)."""
    return content_hash("instructions", shared)


def trace_id_of_parts(instructions: str, postproc: bytes, decisions: bytes) -> str:
    """`trace_id` for those who hold the id of the shared part already."""
    return content_hash(instructions, postproc, decisions)


def trial_id(
    *,
    workload_id: str,
    module_id: str,
    target_id: str,
    hardware_id: str,
    trace: Trace,
    run_secs: Sequence[float],
    outcome: str = "ok",
    conditions: str = DEFAULT_CONDITIONS,
) -> str:
    """The id of a trial: what was measured, on what, how, and what came out; not where the record was found.

    The same candidate measured twice with the same figures to the last bit is one trial: it is the same record.
    """
    return trial_id_of_parts(
        workload_id, module_id, target_id, hardware_id, trace_id(trace), run_secs, outcome, conditions
    )


def trial_id_of(trial: Trial) -> str:
    """The `trial_id` that a trial's content gives, whatever id it has: with the machine as it was told first."""
    return trial_id(
        workload_id=trial.workload_id,
        module_id=trial.module_id,
        target_id=trial.target_id,
        hardware_id=trial.first_hardware_id or trial.hardware_id,
        trace=trial.trace,
        run_secs=trial.run_secs,
        outcome=trial.outcome,
        conditions=trial.conditions,
    )


def trial_id_of_parts(
    workload_id: str,
    module_id: str,
    target_id: str,
    hardware_id: str,
    trace: str,
    run_secs: Sequence[float],
    outcome: str,
    conditions: str = DEFAULT_CONDITIONS,
) -> str:
    """`trial_id` for those who hold the trace's id already. Default conditions do not enter the hash."""
    runs = ",".join(map(repr, run_secs))
    content = f"{workload_id}|{module_id}|{target_id}|{hardware_id}|{trace}|{runs}|{outcome}"
    if conditions != DEFAULT_CONDITIONS:
        content += f"|{conditions}"
    return blake2b(content.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def source_id(uri: str, format: str, detail: str = "{}") -> str:
    """The id of a source."""
    return content_hash(uri, format, detail)


def source(uri: str, format: str, detail: Mapping[str, object] | None = None) -> Source:
    """A source with its id; `detail` becomes canonical JSON."""
    text = json.dumps(dict(detail or {}), sort_keys=True, separators=(",", ":"))
    return Source(source_id(uri, format, text), uri, format, text)


def schedule_of(trial: Trial) -> tuple[str, str]:
    """What the trials of one schedule have in common, for one workload, target and kind of conditions.

    A workload's modules compute the same: one trace on two of them is one schedule.

    Returns:
        The ids of its machine and trace.
    """
    return trial.hardware_id, trace_id(trial.trace)


def passes_of(trials: Iterable[Trial]) -> list[tuple[float, ...]]:
    """The run times of each pass of a schedule, by the least trial id that has them.

    Equal to the last bit, they are one measurement: its record was found beside two modules.

    Args:
        trials: good trials of one schedule.
    """
    ordered = sorted(trials, key=lambda trial: trial.trial_id)
    return list(dict.fromkeys(trial.run_secs for trial in ordered))


def identified(hardware: Hardware) -> Hardware:
    """The same machine with the id that its other fields give.

    A field that came later than the first eight enters the hash only when it is set: a new one changes no id. The name
    of a machine that nobody told says where its log lay, and does not enter.
    """
    fields = {field.name: getattr(hardware, field.name) for field in dataclasses.fields(Hardware)}
    del fields["hardware_id"]
    if hardware.origin is not None:
        fields["name"] = UNNAMED
    hashed = {name: value for name, value in fields.items() if name in _FIRST_MACHINE_FIELDS or value is not None}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return dataclasses.replace(hardware, hardware_id=content_hash("hardware", text))


def with_verdict_id(verdict: Verdict) -> Verdict:
    """The same verdict with the id that its other fields give; those that are not set do not enter the hash."""
    fields = {field.name: getattr(verdict, field.name) for field in dataclasses.fields(Verdict)}
    del fields["verdict_id"]
    fields["found_at"] = f"{(verdict.found_at - _EPOCH) // timedelta(microseconds=1)}"
    told = {name: float(value) if isinstance(value, int) else value for name, value in fields.items()}
    hashed = {name: value for name, value in told.items() if value is not None}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return dataclasses.replace(verdict, verdict_id=content_hash("verdict", text))


def conditions_of(**conditions: str | int | float | bool | None) -> str:
    """Canonical JSON of the conditions of a measurement; what is None or False is left out.

    Args:
        conditions: how it differs from a measurement like any other: `caches="flushed"`.
    """
    told = {name: value for name, value in conditions.items() if value is not None and value is not False}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_conditions(text: str) -> str:
    """Conditions of a measurement as records have them, from JSON that a person wrote.

    Raises:
        BadInputError: it is no JSON object.
    """
    try:
        told = msgspec.json.decode(text, type=dict[str, str | int | float | bool | None])
    except (ValueError, RecursionError) as error:
        wanted = 'a JSON object such as {"caches":"flushed"}'
        raise BadInputError(f"the conditions {text[:80]!r} are not {wanted}") from error
    return conditions_of(**told)


def canonical_target(text: str | bytes | Mapping[str, object]) -> Target:
    """A target in any form that it is written in.

    Keys are sorted, the tag and empty values are dropped, and `keys` where they are the kind's own. A host is dropped
    where it says no more than "LLVM on a CPU", and from CPU targets always: it compiles the kernels' wrappers only.
    Two targets that generate the same code for the same device are one, whichever form they were written in.

    Args:
        text: the target's JSON, what TVM's `Target.export()` gives, or a text as `target_fields` reads it: one of TVM's
            command line ("llvm -mcpu=core-avx2"), a kind, or a tag.

    Raises:
        BadInputError: it is none of these, or names no `kind`.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise BadInputError(f"the target is not UTF-8: {error}") from error
    kept = _canonical_fields(text if isinstance(text, Mapping) else target_fields(text))
    kind = kept.get("kind")
    if not isinstance(kind, str):
        raise BadInputError("the target names no kind")
    try:
        canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        identity = content_hash("target", canonical)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(f"the target cannot be written as JSON: {error}") from error
    arch = next((str(kept[name]) for name in _ARCH_FIELDS if isinstance(kept.get(name), str)), "")
    cores = kept.get("num-cores")
    return Target(identity, canonical, kind, arch, cores if type(cores) is int else None)


def _canonical_fields(fields: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in fields.items():
        if name == "tag" or value is None or value in ("", [], {}):
            continue
        if name == "keys" and isinstance(value, Sequence) and not isinstance(value, str):
            kept[name] = list(dict.fromkeys(str(key) for key in value))
        elif name == "host" and isinstance(value, Mapping | str):
            host = _canonical_fields(target_fields(value) if isinstance(value, str) else value)
            if host != {"kind": "llvm"} and fields.get("kind") not in ("llvm", "c"):
                kept[name] = host
        elif isinstance(value, Mapping):
            kept[name] = _canonical_fields(value)
        else:
            kept[name] = value
    if kept.get("keys") == [kept.get("kind")] or (kept.get("kind") == "llvm" and kept.get("keys") == ["cpu"]):
        del kept["keys"]  # TVM's own default for the kind
    return kept


def program_from_graph(graph_json: bytes, structural_hash: str) -> tuple[Workload, Module]:
    """A workload and its module from a module's JSON graph of any TVM release, read without TVM.

    Args:
        graph_json: what `tvm.ir.save_json` wrote, without MetaSchedule's base64 frame.
        structural_hash: as TVM wrote it, decimal; "" when unknown.

    Raises:
        BadInputError: the graph cannot be read or holds no tensor program.
    """
    from tunedb.program.families import described
    from tunedb.program.graph import ProgramGraph
    from tunedb.program.signature import read_signature

    graph = ProgramGraph(graph_json)
    signature = read_signature(graph)
    text = signature.to_json()
    seen = described(signature)
    workload = Workload(content_hash("workload", text), seen.name, seen.family, seen.epilogue, seen.extents, text)
    module_id = content_hash("module", graph_json)
    return workload, Module(module_id, workload.workload_id, structural_hash, graph.tvm_version, graph_json)


def log_origin(lines: Sequence[bytes]) -> str:
    """What tells a log apart, wherever it lies and however long it grows: its first line that has a latency.

    Args:
        lines: the first lines of the log. Two runs may begin with the same failure, but not with the same latency.
    """
    measured = (line for line in lines[:-1] if line.strip() and not _FAILED_LINE.search(line))
    return content_hash("log", next(measured, lines[0]).strip())


def unknown_workload(log_head: bytes, index: int, args: str = "") -> Workload:
    """Stands for a workload whose module is lost: one for each index of one log.

    Args:
        log_head: the log's first line: it stays when the log grows or moves.
        index: the index by which the log's records refer to the workload.
        args: the shapes and dtypes of its arguments, for its name.
    """
    identity = f"unknown-{content_hash('unknown', log_head, str(index))}"
    return Workload(identity, f"unknown {args}".strip(), "unknown", "", (), "")
