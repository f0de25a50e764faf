"""Gives trials the machine that they were measured on, when it was told wrongly or not at all.

A trial keeps its id, so the log it came from, ingested again, adds nothing. Ingested again with the machine's name, its
trials have other ids; the note that is left in the store tells which those are (`tunedb.store.delta.relabelled`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunedb.errors import AmbiguousPrefixError, NotFoundError, UsageError
from tunedb.identity import trial_id_of_parts
from tunedb.machine.hardware import hardware_named
from tunedb.maintenance.revise import (
    Revised,
    append_sources,
    note,
    opened,
    revise_table,
    sources_meant,
    with_column,
    without,
)
from tunedb.records import Hardware, Source
from tunedb.store import schema
from tunedb.store.delta.guard import revising
from tunedb.store.delta.queries import any_of
from tunedb.store.delta.relabelled import PARTS
from tunedb.store.delta.table import store_errors
from tunedb.store.delta.tables import TableSet
from tunedb.store.schema import columns_of


def relabel(
    url: str | Path,
    name: str,
    *,
    source: str | None = None,
    machine: str | None = None,
    by: str = "",
    dry_run: bool = False,
    storage_options: dict[str, str] | None = None,
) -> Revised:
    """Gives the trials of a source, or of a machine, another machine.

    Args:
        url: the store's folder or URL.
        name: the machine's name, as `ingest --hardware` takes it.
        source: a source's uri or id, or the beginning of either; None takes those of `machine`.
        machine: the name of the machine that they have now, or the beginning of its id; None takes those of `source`.
        by: who does it, for the store's notes.
        dry_run: whether to say only what would be done.
        storage_options: for a URL, how to reach it, in Delta Lake's terms.

    Returns:
        What was done. `version_before` is what to restore to undo it.

    Raises:
        UsageError: neither or both of `source` and `machine` are given, or the name is blank.
        NotFoundError: there is no store, no such source, or no such machine.
        StoreError: the store cannot be read or written.
    """
    if (source is None) == (machine is None):
        raise UsageError("say whose trials: --source or --from, one of them")
    if not name.strip():
        raise UsageError("a machine's name cannot be blank")
    new = hardware_named(name)
    tables = opened(url, storage_options)
    with store_errors(f"relabel trials of the store {tables.url}"), revising(tables.url):
        tables.refresh()
        sources: list[Source] = [] if source is None else sources_meant(tables, source)
        column, wanted = ("source_id", {row.source_id for row in sources})
        if machine is not None:
            column, wanted = "hardware_id", {_machine_meant(tables, machine)}
        selected = f"{any_of(column, len(wanted))} AND hardware_id <> ?"
        given = [*sorted(wanted), new.hardware_id]
        count = tables.ask(f"SELECT count(DISTINCT trial_id) FROM {{trials}} WHERE {selected}", given)[0][0]
        twins = _twins(tables, selected, given, new)
        before = str(tables["trials"].version())
        if dry_run or not count:
            return Revised("relabel", tuple(sources), len(twins), 0, count, 0, before, before)
        firsts = tables.ask(
            f"SELECT DISTINCT CASE first_hardware_id WHEN '' THEN hardware_id ELSE first_hardware_id END "
            f"FROM {{trials}} WHERE {selected}",
            given,
        )
        if not tables.ask("SELECT 1 FROM {hardware} WHERE hardware_id = ?", [new.hardware_id]):
            tables["hardware"].append(columns_of([new], list(schema.HARDWARE.told())))
        detail = {"hardware": new.name, "hardware_id": new.hardware_id, "first": sorted(row[0] for row in firsts)}
        whose = {"sources": [row.uri for row in sources]} if sources else {"from": machine}
        # Before the trials: who ingests the log again looks here for what they were called.
        append_sources(tables, [note("relabel", by, {**detail, **whose, "trials": count, "restore": before})])
        _take_over(tables, twins)
        _relabel_trials(tables, column, wanted, new, set(twins))
        tables.refresh()
        return Revised("relabel", tuple(sources), len(twins), 0, count, 0, before, str(tables["trials"].version()))


def _machine_meant(tables: TableSet, text: str) -> str:
    rows = tables.ask("SELECT DISTINCT hardware_id, name FROM {hardware} ORDER BY name")
    found = [row for row in rows if text in (row[0], row[1])] or [
        row for row in rows if len(text) > 3 and row[0].startswith(text.lower())
    ]
    if not found:
        raise NotFoundError(f"no machine is called {text!r}; `tunedb targets` lists them", kind="hardware", asked=text)
    if len(found) > 1:
        listed = ", ".join(f"{identity[:12]} {name}" for identity, name in found)
        raise AmbiguousPrefixError(
            f"{text!r} may be several machines: {listed}; give the beginning of an id",
            kind="hardware",
            asked=text,
            matches=[row[0] for row in found],
        )
    return str(found[0][0])


def _twins(tables: TableSet, selected: str, given: list[str], new: Hardware) -> dict[str, str]:
    """Trials that the store has under the new machine already, by their ids, and which of the others each is."""
    import pyarrow as pa

    rows = tables.ask(f"SELECT trial_id, {', '.join(PARTS)} FROM {{trials}} WHERE {selected}", given)
    called = {}
    for trial_id, workload, module, target, _, trace, run_secs, outcome, conditions in rows:
        identity = trial_id_of_parts(workload, module, target, new.hardware_id, trace, run_secs, outcome, conditions)
        called[identity] = trial_id
    known = tables.ask(
        "SELECT DISTINCT trial_id FROM {trials} SEMI JOIN new_ids USING (trial_id)",
        new_ids=pa.table({"trial_id": pa.array(list(called), pa.string())}),
    )
    return {row[0]: called[row[0]] for row in known if called[row[0]] != row[0]}


def _take_over(tables: TableSet, twins: dict[str, str]) -> None:
    """Notes where the trials that go were found, as sightings of those that stay."""
    import pyarrow as pa

    if not twins:
        return
    asked = pa.table({"trial_id": pa.array(list(twins), pa.string())})
    question = (
        "SELECT trial_id, source_id, position FROM {trials} SEMI JOIN new_ids USING (trial_id) "
        "UNION SELECT trial_id, source_id, position FROM {sightings} SEMI JOIN new_ids USING (trial_id)"
    )
    rows = tables.ask(question, new_ids=asked)
    columns = {
        "trial_id": [twins[row[0]] for row in rows],
        "source_id": [row[1] for row in rows],
        "position": [row[2] for row in rows],
    }
    tables["sightings"].append(columns)


def _relabel_trials(tables: TableSet, column: str, wanted: set[str], new: Hardware, twins: set[str]) -> None:
    def meant(rows: Any) -> list[bool]:
        told = zip(rows.column(column).to_pylist(), rows.column("hardware_id").to_pylist(), strict=True)
        return [value in wanted and machine != new.hardware_id for value, machine in told]

    def lost(rows: Any) -> list[bool]:
        return [trial in twins for trial in rows.column("trial_id").to_pylist()]

    def revise(rows: Any) -> Any:
        chosen, gone = meant(rows), lost(rows)
        if not any(chosen) and not any(gone):
            return None
        machines, firsts = (rows.column(name).to_pylist() for name in ("hardware_id", "first_hardware_id"))
        for place, is_meant in enumerate(chosen):
            if is_meant:
                first = firsts[place] or machines[place]
                machines[place], firsts[place] = new.hardware_id, "" if first == new.hardware_id else first
        return without(with_column(with_column(rows, "hardware_id", machines), "first_hardware_id", firsts), gone)

    revise_table(tables["trials"], lambda rows: any(meant(rows)) or any(lost(rows)), revise, "relabel")
