"""Sources taken back, machines told afterwards, and all of it undone: nothing doubled, nothing lost, always sound."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.tunedb import logfiles
from tests.tunedb.maintenance.damage import good
from tests.tunedb.samples import AROUND, MACHINE, SOURCE, failed, trial
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.identity import source, trial_id_of
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.maintenance.merge import merge
from tunedb.maintenance.relabel import relabel
from tunedb.maintenance.remove import remove
from tunedb.maintenance.restore import restore
from tunedb.maintenance.verify import verify
from tunedb.records import Rejected, Trial
from tunedb.store.delta import files
from tunedb.store.delta.table import Table

OTHER = source("logs/other.json", "metaschedule-json")
BAD = [Rejected(SOURCE.uri, 9, "not JSON", b"{"), Rejected(OTHER.uri, 4, "not JSON", b"{")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Trials 0 to 2 of one source, of which another has 2 too, and 3 besides."""
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1), trial(2)], **AROUND, rejected=BAD)
        theirs = [trial(number, source_id=OTHER.source_id, position=number + 10) for number in (2, 3)]
        store.append(theirs, sources=[OTHER])
    return tmp_path / "store"


def content(folder: Path) -> dict[str, Trial]:
    with open_store(folder, create=False) as store:
        assert verify(store) == []
        return {row.trial_id: row for row in store.trials()}


def test_a_source_is_taken_back_and_what_others_brought_stays(folder: Path) -> None:
    before = content(folder)
    looked = remove(folder, SOURCE.uri, dry_run=True)
    assert (looked.removed, looked.kept, looked.quarantined) == (2, 1, 1)
    assert content(folder) == before
    done = remove(folder, SOURCE.uri, by="ada@lab")
    assert (done.removed, done.kept, done.quarantined) == (2, 1, 1)
    left = content(folder)
    assert {(row.trial_id, row.source_id, row.position) for row in left.values()} == {
        (trial(number).trial_id, OTHER.source_id, number + 10) for number in (2, 3)
    }
    with open_store(folder, create=False) as store:
        assert store.stats().num_sources == 1 and store.stats().num_rejected == 1
        (note,) = [row for row in store.sources() if row.format == "remove"]
        assert json.loads(note.detail)["by"] == "ada@lab"
        assert json.loads(note.detail)["sources"] == [SOURCE.uri]
        assert store.sql("SELECT count(*) FROM sightings").rows == [(0,)]
    with pytest.raises(NotFoundError, match="no source"):
        remove(folder, SOURCE.uri)
    restore(folder, int(done.version_before))
    assert content(folder) == before


def test_sources_are_meant_by_the_beginning_of_their_uri_or_id(folder: Path) -> None:
    assert {row.uri for row in remove(folder, "logs/", dry_run=True).sources} == {SOURCE.uri, OTHER.uri}
    assert [row.uri for row in remove(folder, OTHER.source_id[:12], dry_run=True).sources] == [OTHER.uri]
    for nothing in ("", "elsewhere/", OTHER.source_id[:3]):
        with pytest.raises(NotFoundError):
            remove(folder, nothing, dry_run=True)
    assert remove(folder, "logs/").removed == 4
    assert content(folder) == {}


def test_a_store_that_is_open_notices_a_removal(folder: Path) -> None:
    with open_store(folder, create=False) as store:
        assert store.append([trial(1)]).duplicates == 1
        remove(folder, SOURCE.uri)
        with pytest.raises(UsageError, match="source_id"):
            store.append([trial(0)])
        assert store.append([trial(0), trial(1)], sources=[SOURCE]).added == 2
        assert verify(store) == []


@pytest.mark.parametrize("told", [None, "board"])
def test_a_machine_is_told_afterwards_without_doubling(tmp_path: Path, told: str | None) -> None:
    logs = logfiles.database(tmp_path / "log")
    first = None if told is None else hardware_named(told)
    with open_store(tmp_path / "store") as store:
        ingest(store, [logs], hardware=first)
    before = content(tmp_path / "store")
    assert relabel(tmp_path / "store", "laptop", source=str(logs), dry_run=True).relabelled == 3
    assert content(tmp_path / "store") == before
    done = relabel(tmp_path / "store", "laptop", source=str(logs), by="ada@lab")
    assert done.relabelled == 3
    laptop = hardware_named("laptop")
    after = content(tmp_path / "store")
    assert after.keys() == before.keys()
    assert {row.hardware_id for row in after.values()} == {laptop.hardware_id}
    assert all(trial_id_of(row) == row.trial_id for row in after.values())
    with open_store(tmp_path / "store") as store:
        for machine in (first, laptop, None):
            assert ingest(store, [logs], hardware=machine).added == 0
    assert content(tmp_path / "store") == after
    with open_store(tmp_path / "merged") as merged, open_store(tmp_path / "store") as store:
        merge(merged, store)
        assert ingest(merged, [logs], hardware=laptop).added == 0
    again = relabel(tmp_path / "store", "laptop", source=str(logs))
    assert again.relabelled == 0 and again.version == again.version_before
    restore(tmp_path / "store", int(done.version_before))
    assert content(tmp_path / "store") == before


def test_trials_of_a_machine_are_relabelled_and_back(folder: Path) -> None:
    assert relabel(folder, "board", machine=MACHINE.name).relabelled == 4
    with open_store(folder, create=False) as store:
        assert [row.hardware.name for row in store.target_summaries()] == ["board"]
    assert relabel(folder, MACHINE.name, machine="board").relabelled == 4
    assert {row.first_hardware_id for row in content(folder).values()} == {""}
    for given in ({}, {"source": SOURCE.uri, "machine": "board"}):
        with pytest.raises(UsageError):
            relabel(folder, "x", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        relabel(folder, " ", machine="board")
    with pytest.raises(NotFoundError):
        relabel(folder, "x", machine="no such")


def test_a_log_that_was_told_both_ways_becomes_one(tmp_path: Path) -> None:
    logs = logfiles.database(tmp_path / "log")
    with open_store(tmp_path / "store") as store:
        ingest(store, [logs])
        assert ingest(store, [logs], hardware=hardware_named("laptop")).added == 3
    done = relabel(tmp_path / "store", "laptop", source=str(logs))
    assert (done.relabelled, done.removed) == (3, 3)
    assert len(content(tmp_path / "store")) == 3
    with open_store(tmp_path / "store") as store:
        assert ingest(store, [logs]).added == ingest(store, [logs], hardware=hardware_named("laptop")).added == 0


def test_a_restore_undoes_and_is_undone(folder: Path) -> None:
    before = content(folder)
    with open_store(folder) as store:
        version = int(store.version())
        store.append([failed(7), good(8)])
        store.compact()
    after = content(folder)
    looked = restore(folder, version, dry_run=True)
    assert (looked.removed, looked.kept) == (2, 0)
    done = restore(folder, version, by="ada@lab")
    assert content(folder) == before
    with open_store(folder, create=False) as store:
        assert [json.loads(row.detail)["by"] for row in store.sources() if row.format == "restore"] == ["ada@lab"]
    again = restore(folder, int(done.version_before))
    assert (again.removed, again.kept) == (0, 2)
    assert content(folder) == after
    with pytest.raises(NotFoundError, match="version"):
        restore(folder, 999)


def test_a_version_that_was_freed_cannot_be_restored(folder: Path) -> None:
    from datetime import timedelta

    before = remove(folder, SOURCE.uri).version_before
    with open_store(folder) as store:
        store.compact(timedelta(0))
    with pytest.raises(NotFoundError, match="freed"):
        restore(folder, int(before))


@pytest.mark.parametrize("action", ["remove", "relabel", "restore"])
def test_whatever_ends_it_between_two_commits_the_store_is_sound(
    folder: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    with open_store(folder, create=False) as store:
        version = int(store.version())
    if action == "restore":
        remove(folder, SOURCE.uri)

    def act() -> object:
        if action == "remove":
            return remove(folder, SOURCE.uri)
        if action == "relabel":
            return relabel(folder, "board", source=SOURCE.uri)
        return restore(folder, version)

    left = 0
    real, real_append = files.replace_files, Table.append

    def spend() -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1

    def replace(*args: object) -> None:
        spend()
        real(*args)  # type: ignore[arg-type]

    def append(*args: object, **kwargs: object) -> object:
        spend()
        return real_append(*args, **kwargs)  # type: ignore[arg-type]

    for commits in range(20):
        left = commits
        with monkeypatch.context() as patched:
            for module in ("revise", "restore"):
                patched.setattr(f"tunedb.maintenance.{module}.replace_files", replace)
            patched.setattr(Table, "append", append)
            try:
                act()
                break
            except KeyboardInterrupt:
                content(folder)
    assert commits > 1
    numbers = {"remove": {2, 3}, "relabel": {0, 1, 2, 3}, "restore": {0, 1, 2, 3}}[action]
    assert content(folder).keys() == {trial(number).trial_id for number in numbers}


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1])
def test_a_removal_that_was_killed_is_finished_by_the_next(folder: Path, delay: float) -> None:
    code = (
        "import sys; from tunedb.maintenance.remove import remove; import deltalake, duckdb, pyarrow.parquet\n"
        f"print('ready', flush=True); remove(sys.argv[1], {SOURCE.uri!r})"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
    content(folder)
    with contextlib.suppress(NotFoundError):  # it was quick enough
        remove(folder, SOURCE.uri)
    assert content(folder).keys() == {trial(number).trial_id for number in (2, 3)}


def _write(url: str, first: int) -> None:
    with open_store(url) as store:
        for number in range(first, first + 12):
            store.append([trial(number)], **AROUND)


def test_writers_beside_a_removal_leave_a_sound_store(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(folder), 100 * number)) for number in range(1, 3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        try:
            remove(folder, SOURCE.uri)
        except NotFoundError:
            time.sleep(0.05)
        content(folder)
    assert [writer.exitcode for writer in writers] == [0, 0]
    content(folder)


def test_a_removal_beside_a_compaction_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, compacted = files.replace_files, []

    def replace(*args: object) -> None:
        if not compacted:
            compacted.append(True)
            with open_store(folder) as store:
                store.compact()
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("tunedb.maintenance.revise.replace_files", replace)
    remove(folder, SOURCE.uri)
    assert content(folder).keys() == {trial(number).trial_id for number in (2, 3)}


def test_a_store_in_an_object_store(bucket: Bucket) -> None:
    with open_store(bucket.url, storage_options=bucket.options) as store:
        store.append([trial(0), trial(1)], **AROUND)
        store.append([trial(1, source_id=OTHER.source_id)], sources=[OTHER])
    options = dict(bucket.options)
    assert relabel(bucket.url, "lab", source=SOURCE.uri, storage_options=options).relabelled == 2
    done = remove(bucket.url, SOURCE.uri, storage_options=options)
    assert (done.removed, done.kept) == (1, 1)
    with open_store(bucket.url, storage_options=bucket.options) as store:
        assert [row.source_id for row in store.trials()] == [OTHER.source_id]
        assert verify(store) == []
    restore(bucket.url, int(done.version_before), storage_options=options)
    with open_store(bucket.url, storage_options=bucket.options) as store:
        assert len(list(store.trials())) == 2
        assert verify(store) == []
