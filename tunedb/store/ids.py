"""Ids computed again: which rows of a table do not have the content that their id is the hash of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tunedb.identity import (
    content_hash,
    identified,
    instructions_id,
    source_id,
    trace_id_of_parts,
    trial_id_of_parts,
    with_verdict_id,
)
from tunedb.records import Hardware, Rejected, Verdict
from tunedb.store import schema
from tunedb.store.batch import rejected_id
from tunedb.store.schema import TableSchema

if TYPE_CHECKING:
    import pyarrow as pa


def wrong_ids(table: TableSchema, rows: pa.Table) -> list[int]:
    """The places of those rows whose id is not the hash of their content.

    Args:
        table: the rows' table. Of those whose key is no hash, none are wrong.
        rows: a few thousand of its rows, with all columns.
    """
    check = _CHECKS.get(table.name)
    if check is None:
        return []
    names, is_right = check
    columns = [rows.column(name).to_pylist() for name in names]
    return [place for place, values in enumerate(zip(*columns, strict=True)) if not _holds(is_right, values)]


def _holds(is_right: Callable[..., bool], values: tuple[Any, ...]) -> bool:
    try:
        return is_right(*values)
    except (TypeError, ValueError, AttributeError):  # NULL where no record has any
        return False


def _trial(
    trial: str,
    workload: str,
    module: str,
    target: str,
    hardware: str,
    first_hardware: str,
    trace: str,
    instructions: str,
    postproc: bytes,
    decisions: bytes,
    run_secs: list[float],
    outcome: str,
    conditions: str,
) -> bool:
    if trace_id_of_parts(instructions, postproc, decisions) != trace:
        return False
    machine = first_hardware or hardware
    return trial_id_of_parts(workload, module, target, machine, trace, run_secs, outcome, conditions) == trial


def _hardware(*values: Any) -> bool:
    row = Hardware(*values)
    return identified(row).hardware_id == row.hardware_id


def _verdict(*values: Any) -> bool:
    row = Verdict(*values)
    return with_verdict_id(row).verdict_id == row.verdict_id


_TRIAL = (
    "trial_id workload_id module_id target_id hardware_id first_hardware_id trace_id instructions_id postproc "
    "decisions run_secs outcome conditions"
)
_CHECKS: Mapping[str, tuple[tuple[str, ...], Callable[..., bool]]] = {
    "trials": (tuple(_TRIAL.split()), _trial),
    "hardware": (tuple(schema.HARDWARE.told()), _hardware),
    "targets": (("target_id", "text"), lambda key, text: content_hash("target", text) == key),
    # A workload whose module is lost has no signature.
    "workloads": (
        ("workload_id", "signature"),
        lambda key, text: not text or content_hash("workload", text) == key,
    ),
    "modules": (("module_id", "module_json"), lambda key, graph: content_hash("module", graph) == key),
    "instructions": (("instructions_id", "instructions"), lambda key, shared: instructions_id(shared) == key),
    "sources": (("source_id", "uri", "format", "detail"), lambda key, *of: source_id(*of) == key),
    "quarantine": (
        ("rejected_id", "uri", "line", "reason", "content"),
        lambda key, *of: rejected_id(Rejected(*of)) == key,
    ),
    "verdicts": (tuple(schema.VERDICTS.told()), _verdict),
}
