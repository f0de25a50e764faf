"""Mends a table's log: what is broken in it is set aside, and what it said is told again, by the files of the table.

A commit that is lost keeps its version: in its place stands one with what could still be read of it. The last lost one
also gets the files that no other commit tells of, if they hold rows that are nowhere else. Rows that stand twice count
once, so a file too many does no harm.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from tunedb.errors import StoreError
from tunedb.store import schema
from tunedb.store.delta import paths
from tunedb.store.delta.files import ROWS, Counted
from tunedb.store.delta.history import SEEN
from tunedb.store.delta.log import LOG, REPAIRED, Action, Log, file_name, read_log
from tunedb.store.delta.table import parquet_relation
from tunedb.store.delta.versions import DESCRIPTION
from tunedb.store.schema import TableSchema

_PROTOCOL: Action = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}


def mend_log(folder: Path, table: TableSchema, version: int, aside: Path) -> Iterator[tuple[str, str]]:
    """Mends the log of a table, if anything is wrong with it.

    Args:
        folder: of the table.
        table: what it is.
        version: the schema version of the store.
        aside: where to move what is broken.

    Yields:
        What was broken, for people, and where it is now; "" when it was not there to be moved.

    Raises:
        StoreError: nothing says what the columns of the table are.
    """
    log = read_log(folder)
    for path, why in log.broken.items():
        yield (f"{path} {why}", move(path, aside))
    log = read_log(folder)
    lost = log.lost() or ([0] if log.newest < 0 else [])
    faults = log.faults()
    early = log.disordered()
    columns = _columns(log, table)
    found = _untold(log, table, columns, bool(lost), early)
    if lost:  # a commit that gave the table other columns may be among them
        early |= {name for name in log.live() if _columns_of(folder / name) not in (columns, None)}
    place = max(lost, default=-1)
    if place <= log.summed_up:
        place = max(log.newest, 0) + 1
    new: dict[int, list[Action]] = {version: [] for version in lost}
    for number in lost:
        new[number] = [action for action in _actions(log, number) if _still_holds(action, folder)]
    if 0 in new and not {"protocol", "metaData"} <= {kind for action in new[0] for kind in action}:
        new[0] = [
            *_beginning(log, table, version),
            *(action for action in new[0] if action.keys() <= {"add", "remove"}),
        ]
    resized = [] if lost else _resized(log, columns, early)
    if found or early or resized:
        removed = [{"remove": {"path": name, "dataChange": False, "deletionTimestamp": 0}} for name in sorted(early)]
        added = [{"add": _add(folder / name, table)} for name in [*found, *resized]]
        new.setdefault(place, []).extend([*removed, *added])
    for number, actions in sorted(new.items()):
        commit = log.commits.get(number)
        moved = move(commit.path, aside) if commit else ""
        _write(folder / LOG / f"{number:020}.json", [_info(log, number), *actions])
        if number in lost:
            told = faults[min(lost.index(number), len(faults) - 1)] if faults else f"{folder} had no log"
            yield (told, moved)
    yield from ((f"{folder / name} was in no commit; it is in one again", "") for name in found)
    yield from (
        (f"{folder / name} is not as large as the log said; the log has its size again", "") for name in resized
    )
    yield from ((f"{folder / name} had been removed, and was no more", "") for name in sorted(early))
    if not _opens(folder):
        yield from _rebuilt(folder, table, version, aside)


def move(file: Path, aside: Path) -> str:
    """Moves a file aside, and gives where it is now."""
    aside.mkdir(parents=True, exist_ok=True)
    return str(file.rename(aside / file.name))


def _rebuilt(folder: Path, table: TableSchema, version: int, aside: Path) -> Iterator[tuple[str, str]]:
    """A new log, of one commit, in the place of one that Delta Lake does not open whatever was mended."""
    log = read_log(folder)
    columns = _columns(log, table)
    live = [_add(folder / name, table) for name in log.live() if _columns_of(folder / name) == columns]
    beginning = _beginning(log, table, version)
    info = _info(log, log.newest)
    moved = move(folder / LOG, aside)
    (folder / LOG).mkdir()
    _write(folder / LOG / f"{0:020}.json", [info, *beginning, *({"add": add} for add in live)])
    yield (f"{folder / LOG} could not be opened; it was written anew", moved)


def _opens(folder: Path) -> bool:
    from deltalake.exceptions import DeltaError

    try:
        paths.open_table(str(folder))
        paths.history(str(folder))
    except (DeltaError, OSError):
        return False
    return True


def _still_holds(action: Action, folder: Path) -> bool:
    """Whether what could be read of a broken commit is to be told again."""
    if "add" in action:
        return (folder / file_name(action["add"])).exists()
    return "commitInfo" not in action


def _untold(log: Log, table: TableSchema, columns: set[str], is_broken: bool, early: set[str]) -> list[str]:
    """The files that are in no commit, and that hold rows which no live file has: the largest first.

    Where commits were summed up and removed, so that files may have been removed by a commit that is not there any
    more, no file is taken unless a later commit is lost.
    """
    told = {file_name(action[kind]) for action in log.all_actions() for kind in ("add", "remove") if kind in action}
    if not is_broken and min(log.commits, default=1):
        return []
    files = sorted(log.folder.glob("*.parquet"), key=lambda path: (-path.stat().st_size, path.name))
    live = [log.folder / name for name in log.live() if name not in early and _columns_of(log.folder / name) == columns]
    found = []
    for file in files:
        if file.name not in told and _columns_of(file) == columns and _has_new_rows(file, live, table):
            found.append(file.name)
            live.append(file)
    return found


def _resized(log: Log, columns: set[str], early: set[str]) -> list[str]:
    """Live files that can be read, but are not as large as the log says: Delta Lake looks for their footers by it."""
    return [
        name
        for name, add in sorted(log.live().items())
        if name not in early
        and _columns_of(log.folder / name) == columns
        and (log.folder / name).stat().st_size != add.get("size")
    ]


def _columns(log: Log, table: TableSchema) -> set[str]:
    """The columns of a table, as its log has them at last."""
    found = [action["metaData"] for action in log.all_actions() if "metaData" in action]
    if not found:
        return set(table.columns)
    return {field["name"] for field in json.loads(found[-1]["schemaString"])["fields"]}


def _columns_of(file: Path) -> set[str] | None:
    """The columns of a file; None when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as stream, pq.ParquetFile(stream) as opened:  # by name, it cannot be any bytes
            return set(opened.schema_arrow.names)
    except (OSError, pa.ArrowException):
        return None


def _has_new_rows(file: Path, live: Sequence[Path], table: TableSchema) -> bool:
    import duckdb

    if not live:
        return True
    new, known = (
        parquet_relation([f"{paths.literal(str(path.parent))}/{path.name}" for path in files])
        for files in ([file], live)
    )
    question = f"SELECT count(*) FROM {new} ANTI JOIN (SELECT {table.key} FROM {known}) AS known USING ({table.key})"
    try:
        with duckdb.connect() as database:
            row = database.execute(question).fetchone()
    except duckdb.Error:
        return False
    return row is not None and bool(row[0])


def _beginning(log: Log, table: TableSchema, version: int) -> list[Action]:
    """Protocol and columns of a table: as another part of its log says, or as this version of tunedb has them."""
    found = [action for action in log.all_actions() if "metaData" in action]
    if found:
        return [_PROTOCOL, {"metaData": _plain(found[-1]["metaData"])}]
    if version != schema.SCHEMA_VERSION:
        raise StoreError(
            f"nothing says any more what the columns of {log.folder} are in schema version {version}: "
            "repair it with the tunedb that wrote it, or ingest its sources again"
        )
    import deltalake

    columns = deltalake.Schema.from_arrow(table.arrow())
    return [
        _PROTOCOL,
        {
            "metaData": {
                "id": str(uuid.uuid4()),
                "name": None,
                "description": f"{DESCRIPTION} {version}",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": columns.to_json(),
                "partitionColumns": [],
                "createdTime": None,
                "configuration": {"delta.dataSkippingStatsColumns": ",".join(table.statistics)},
            }
        },
    ]


def _plain(told: Action) -> Action:
    """What a checkpoint says, as a commit says it: Parquet has maps as lists of pairs."""
    plain = {
        name: dict(value) if isinstance(value, list) and name == "configuration" else value
        for name, value in told.items()
    }
    form = dict(plain.get("format") or {"provider": "parquet"})
    return {**plain, "format": {**form, "options": dict(form.get("options") or {})}}


def _add(file: Path, table: TableSchema) -> Action:
    """What a commit says of a file that it adds, with the statistics that Delta Lake keeps of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with file.open("rb") as stream, pq.ParquetFile(stream) as opened:
        columns = [column for column in table.statistics if column in opened.schema_arrow.names]
        counted = Counted(columns)
        for batch in opened.iter_batches(ROWS, columns=columns):
            counted.add(pa.Table.from_batches([batch]))
    status = file.stat()
    return {
        "path": file.name,
        "partitionValues": {},
        "size": status.st_size,
        "modificationTime": int(status.st_mtime * 1000),
        "dataChange": True,
        "stats": counted.statistics().to_json(),
    }


def _info(log: Log, version: int) -> Action:
    """What a commit says of itself: its time is that of the commit before it, or else after it."""
    times = {
        number: action["commitInfo"].get("timestamp")
        for number, commit in log.commits.items()
        for action in commit.actions
        if "commitInfo" in action and isinstance(action["commitInfo"].get("timestamp"), int)
    }
    before = [number for number in times if number <= version]
    nearest = max(before) if before else min(times, default=None)
    moment = times[nearest] if nearest is not None else 0
    info: Action = {"timestamp": moment, "operation": REPAIRED, "operationParameters": {}, "engineInfo": "tunedb"}
    own: Action = next((action["commitInfo"] for action in _actions(log, version) if "commitInfo" in action), {})
    return {"commitInfo": {**info, **({SEEN: own[SEEN]} if SEEN in own else {})}}


def _actions(log: Log, version: int) -> Sequence[Action]:
    commit = log.commits.get(version)
    return commit.actions if commit else ()


def _write(path: Path, actions: Sequence[Action]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(action) + "\n" for action in actions)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
