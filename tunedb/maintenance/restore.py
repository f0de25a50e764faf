"""Brings a store back to what it was at a version or a time, as a new version: what came since is gone from answers.

Files of earlier versions are still there until `compact` frees them, so nothing is copied: first all tables get back
what they had, then the trials become what they were, in one commit, and at last what came since goes from the others.
A restore that was killed between leaves a sound store; do it again to finish.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tunedb.errors import NotFoundError
from tunedb.maintenance.revise import Revised, append_sources, note, opened, sources_of
from tunedb.store.delta.files import LiveFile, batches_of, filesystem, live_files, replace_files
from tunedb.store.delta.guard import revising
from tunedb.store.delta.table import Table, store_errors
from tunedb.store.delta.tables import TableSet
from tunedb.store.schema import NOTES


def restore(
    url: str | Path,
    as_of: int | datetime,
    *,
    by: str = "",
    dry_run: bool = False,
    storage_options: dict[str, str] | None = None,
) -> Revised:
    """Brings a store back to a version or a time.

    Args:
        url: the store's folder or URL.
        as_of: a version, as `Store.version` gave it, or a time.
        by: who does it, for the store's notes.
        dry_run: whether to say only what would be done.
        storage_options: for a URL, how to reach it, in Delta Lake's terms.

    Returns:
        What was done: `removed` trials came since and are gone, `kept` are back. `version_before` undoes it.

    Raises:
        NotFoundError: there is no store, it has no such version, or files of that version were freed since.
        StoreError: the store cannot be read or written.
    """
    tables = opened(url, storage_options)
    with store_errors(f"restore the store {tables.url}"), revising(tables.url):
        tables.refresh()
        then = TableSet(tables.url, create=False, as_of=as_of, storage_options=storage_options)
        wanted = {table.schema.name: live_files(table) for table in then.all()}
        for table in tables.all():
            _check_files(table, wanted[table.schema.name])
        before = str(tables["trials"].version())
        present, past_files = live_files(tables["trials"]), wanted["trials"]
        now = _trials_of(tables["trials"], _without(present, past_files))
        past = _trials_of(tables["trials"], _without(past_files, present))
        removed, back = len(now - past), len(past - now)
        if dry_run:
            return Revised("restore", (), removed, back, 0, 0, before, before)
        notes = sources_of(tables, f"format IN {NOTES}")  # what was done to the store so far stays known
        came = {table.schema.name: _without(live_files(table), wanted[table.schema.name]) for table in tables.all()}
        back_again = {
            table.schema.name: _without(wanted[table.schema.name], live_files(table)) for table in tables.all()
        }
        # What trials refer to comes back before them, and goes after them.
        for table in tables.all():
            if table.schema.name != "trials":
                _change(table, [], back_again[table.schema.name])
        _change(tables["trials"], came["trials"], back_again["trials"])
        detail = {"as_of": str(as_of), "removed": removed, "back": back, "restore": before}
        tables["sources"].refresh()
        append_sources(tables, [*notes, note("restore", by, detail)])
        for table in tables.all():
            if table.schema.name not in ("trials", "sources"):
                _change(table, came[table.schema.name], [])
        _change(tables["sources"], came["sources"], [])  # at last: by it, appends notice that rows have gone
        tables.refresh()
        return Revised("restore", (), removed, back, 0, 0, before, str(tables["trials"].version()))


def _change(table: Table, old: list[LiveFile], new: list[LiveFile]) -> None:
    if old or new:
        replace_files(table, old, new, "restore")


def _without(files: list[LiveFile], others: list[LiveFile]) -> list[LiveFile]:
    paths = {file.path for file in others}
    return [file for file in files if file.path not in paths]


def _trials_of(table: Table, files: list[LiveFile]) -> set[str]:
    """The trials of some files; what both versions have in common need not be read."""
    return {
        trial_id
        for file in files
        for rows in batches_of(table, file, ["trial_id"])
        for trial_id in rows.column("trial_id").to_pylist()
    }


def _check_files(table: Table, files: list[LiveFile]) -> None:
    store = filesystem(table)
    for file in files:
        if store.get_file_info(file.path).size != file.num_bytes:
            raise NotFoundError(
                f"that version needs {file.path} of {table.schema.name}, which a compaction has freed since",
                kind="version",
            )
