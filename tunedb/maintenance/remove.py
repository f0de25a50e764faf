"""Takes a source back: its trials, its quarantined lines and itself, as if it had never been brought.

A trial that another source brought too stays, and is that one's from then on. The trials go in one commit, then what is
left of the source; a removal that was killed between is finished by doing it again. Machines, targets and workloads
stay: others may refer to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from tunedb.store.delta.guard import revising
from tunedb.store.delta.queries import any_of
from tunedb.store.delta.table import store_errors
from tunedb.store.delta.tables import TableSet

# The other sources of the trials that go: of each trial the one whose id is least.
_HEIRS = """
SELECT s.trial_id, min(s.source_id), min_by(s.position, s.source_id) FROM {sightings} s
WHERE s.source_id NOT IN (SELECT source_id FROM new_ids)
    AND s.trial_id IN (SELECT trial_id FROM {trials} SEMI JOIN new_ids USING (source_id))
GROUP BY s.trial_id
"""


def remove(
    url: str | Path,
    source: str,
    *,
    by: str = "",
    dry_run: bool = False,
    storage_options: dict[str, str] | None = None,
) -> Revised:
    """Removes sources from a store, with all that only they brought.

    Args:
        url: the store's folder or URL.
        source: a source's uri or id, or the beginning of either.
        by: who does it, for the store's notes.
        dry_run: whether to say only what would be done.
        storage_options: for a URL, how to reach it, in Delta Lake's terms.

    Returns:
        What was done. `version_before` is what to restore to undo it.

    Raises:
        NotFoundError: there is no store, or no such source.
        StoreError: the store cannot be read or written.
    """
    import pyarrow as pa

    tables = opened(url, storage_options)
    with store_errors(f"remove from the store {tables.url}"), revising(tables.url):
        tables.refresh()
        sources = sources_meant(tables, source)
        ids, uris = [row.source_id for row in sources], {row.uri for row in sources}
        gone = set(ids)
        asked = pa.table({"source_id": ids})
        heirs = {row[0]: (row[1], row[2]) for row in tables.ask(_HEIRS, new_ids=asked)}
        chosen = any_of("source_id", len(ids))
        count = tables.ask(f"SELECT count(DISTINCT trial_id) FROM {{trials}} WHERE {chosen}", ids)[0][0]
        bad = f"{any_of('uri', len(uris))} OR (starts_with(uri, ?) AND {len(source)} > 0 AND NOT {source in uris})"
        question = f"SELECT count(DISTINCT rejected_id) FROM {{quarantine}} WHERE {bad}"
        num_bad = tables.ask(question, [*uris, source])[0][0]
        before = str(tables["trials"].version())
        done = Revised("remove", tuple(sources), count - len(heirs), len(heirs), 0, num_bad, before, before)
        if dry_run:
            return done
        _remove_trials(tables, gone, heirs)
        is_bad = _bad(uris, "" if source in uris else source)
        for name, concerns in (("sightings", _sighting(gone, heirs)), ("quarantine", is_bad)):
            _remove_rows(tables, name, concerns)
        if not tables["deliveries"].is_absent():
            _remove_rows(tables, "deliveries", _of_sources(gone))
        detail = {"sources": sorted(uris), "source_ids": ids, "trials": done.removed, "kept": done.kept}
        append_sources(tables, [note("remove", by, {**detail, "restore": before})])
        _remove_rows(tables, "sources", _of_sources(gone))
        tables.refresh()
        return Revised(
            "remove", done.sources, done.removed, done.kept, 0, num_bad, before, str(tables["trials"].version())
        )


def _remove_trials(tables: TableSet, gone: set[str], heirs: dict[str, tuple[str, int]]) -> None:
    def revise(rows: Any) -> Any:
        trials, sources, positions = (rows.column(name).to_pylist() for name in ("trial_id", "source_id", "position"))
        if not gone.intersection(sources):
            return None
        lost = [source in gone and trial not in heirs for trial, source in zip(trials, sources, strict=True)]
        for place, (trial, source) in enumerate(zip(trials, sources, strict=True)):
            if source in gone and trial in heirs:
                sources[place], positions[place] = heirs[trial]
        changed = with_column(with_column(rows, "source_id", sources), "position", positions)
        return without(changed, lost)

    revise_table(
        tables["trials"], lambda rows: not gone.isdisjoint(rows.column("source_id").to_pylist()), revise, "remove"
    )


def _of_sources(gone: set[str]) -> Any:
    return lambda rows: [one in gone for one in rows.column("source_id").to_pylist()]


def _sighting(gone: set[str], heirs: dict[str, tuple[str, int]]) -> Any:
    """Which sightings go: those in sources that go, and those that are their trials' sources now."""

    def concerns(rows: Any) -> list[bool]:
        told = zip(rows.column("trial_id").to_pylist(), rows.column("source_id").to_pylist(), strict=True)
        return [source in gone or heirs.get(trial, ("",))[0] == source for trial, source in told]

    return concerns


def _bad(uris: set[str], prefix: str) -> Any:
    def concerns(rows: Any) -> list[bool]:
        told = rows.column("uri").to_pylist()
        return [uri in uris or bool(prefix and uri is not None and uri.startswith(prefix)) for uri in told]

    return concerns


def _remove_rows(tables: TableSet, name: str, concerns: Any) -> None:
    revise_table(tables[name], lambda rows: any(concerns(rows)), lambda rows: without(rows, concerns(rows)), "remove")
