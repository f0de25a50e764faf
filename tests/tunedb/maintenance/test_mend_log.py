"""Logs that were damaged: every commit and checkpoint of a store, in every way; and what is there after a repair."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tunedb.maintenance.damage import good, problems
from tests.tunedb.samples import AROUND, OTHER_TARGET, trial
from tunedb import open_store
from tunedb.errors import StoreError, StoreSchemaError, TunedbError
from tunedb.maintenance.repair import repair
from tunedb.store import schema
from tunedb.store.delta.log import read_log

_SUMMED_UP = "summed-up"


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _cut_a_line(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: content.rstrip(b"\n").rfind(b"\n") + 1] if b"\n" in content.rstrip(b"\n") else b"")


def _garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = len(content) // 3
    content[place : place + 40] = random.Random(7).randbytes(len(content[place : place + 40]))
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "delete": Path.unlink,
    "truncate": _truncate,
    "cut a line": _cut_a_line,
    "garble": _garble,
    "empty": lambda path: path.write_bytes(b"") and None,
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores of five trials in four appends, one of them with compactions and a checkpoint in between."""
    root = tmp_path_factory.mktemp("stores")
    for name in ("plain", _SUMMED_UP):
        with open_store(root / name) as store:
            store.append([good(0), good(1)], **AROUND)
            store.append([good(2, OTHER_TARGET.target_id)], targets=[OTHER_TARGET])
            if name == _SUMMED_UP:
                store.compact(timedelta(days=7))
            store.append([good(3)])
            store.append([good(4)])
    return root


def _files(stores: Path, name: str, tables: tuple[str, ...] = ("trials", "targets")) -> list[str]:
    folder = stores / name
    return sorted(
        str(path.relative_to(folder)) for table in tables for path in (folder / table / "_delta_log").iterdir()
    )


def _is_whole_again(folder: Path) -> None:
    repair(folder)
    assert problems(folder) == []
    with open_store(folder, create=False) as store:
        assert sorted(row.position for row in store.trials()) == [0, 1, 2, 3, 4]
        assert store.stats().num_trials == 5
        assert {row.target_id for row in store.targets()} >= {OTHER_TARGET.target_id}
        assert store.append([good(5)]).added == 1
    assert repair(folder) == []


@pytest.mark.parametrize(
    "damage",
    [pytest.param(name, marks=[] if name in ("delete", "cut a line") else pytest.mark.slow) for name in DAMAGES],
)
@pytest.mark.parametrize("name", ["plain", pytest.param(_SUMMED_UP, marks=pytest.mark.slow)])
def test_every_file_of_a_log_in_every_way(tmp_path: Path, stores: Path, name: str, damage: str) -> None:
    tables = ("trials", "targets") if damage == "delete" else ("trials",)
    for number, file in enumerate(_files(stores, name, tables)):
        folder = tmp_path / str(number)
        shutil.copytree(stores / name, folder)
        DAMAGES[damage](folder / file)
        try:
            found = problems(folder)
        except StoreError as error:
            found = [str(error)]
            assert "tunedb repair" in str(error), file
        before = [path.read_bytes() for path in (folder / file,) if path.exists()]
        _is_whole_again(folder)
        if found and before and "_last_checkpoint" not in file:
            kept = [path.read_bytes() for path in (folder / "set-aside").rglob("*") if path.is_file()]
            assert before[0] in kept, file
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.slow), _SUMMED_UP])
def test_any_two_commits_change_places(tmp_path: Path, stores: Path, name: str) -> None:
    commits = [file for file in _files(stores, name) if file.startswith("trials") and file.endswith(".json")]
    for number, (one, other) in enumerate(pairwise(commits)):
        folder = tmp_path / str(number)
        shutil.copytree(stores / name, folder)
        first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(second)
        (folder / other).write_bytes(first)
        _is_whole_again(folder)
        shutil.rmtree(folder)


@pytest.mark.slow
def test_several_commits_and_the_checkpoint_at_once(tmp_path: Path, stores: Path) -> None:
    chance = random.Random(11)
    for number in range(4):
        folder = tmp_path / str(number)
        shutil.copytree(stores / _SUMMED_UP, folder)
        for file in chance.sample(_files(stores, _SUMMED_UP), 4):
            DAMAGES[chance.choice(list(DAMAGES))](folder / file)
        _is_whole_again(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("table", ["trials", pytest.param("targets", marks=pytest.mark.slow)])
def test_a_table_without_any_log(tmp_path: Path, stores: Path, table: str) -> None:
    shutil.copytree(stores / "plain", tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / table / "_delta_log")
    for create in (False, True):
        with pytest.raises(StoreError, match="tunedb repair"), open_store(tmp_path / "store", create=create) as store:
            store.stats()
    _is_whole_again(tmp_path / "store")


def test_a_version_of_before_can_still_be_asked(tmp_path: Path, stores: Path) -> None:
    shutil.copytree(stores / "plain", tmp_path / "store")
    (tmp_path / "store/trials/_delta_log/00000000000000000002.json").write_bytes(b"garbage")
    repair(tmp_path / "store")
    with open_store(tmp_path / "store", as_of=1) as past:
        assert past.stats().num_trials == 2
    with open_store(tmp_path / "store", as_of=3) as past:
        assert past.stats().num_trials == 4


def test_what_was_removed_does_not_come_back(tmp_path: Path, stores: Path) -> None:
    """A file that a commit removed is in none, but not unknown."""
    import deltalake

    shutil.copytree(stores / "plain", tmp_path / "store")
    trials = deltalake.DeltaTable(tmp_path / "store" / "trials")
    trials.delete("position = 4")
    assert repair(tmp_path / "store") == []
    (tmp_path / "store/trials/_delta_log/00000000000000000002.json").unlink()
    repair(tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        assert sorted(row.position for row in store.trials()) == [0, 1, 2, 3]


def test_a_file_that_another_tool_wrote_again(tmp_path: Path, stores: Path) -> None:
    """Its rows are the same, its size is not what the log says."""
    import pyarrow.parquet as pq

    shutil.copytree(stores / "plain", tmp_path / "store")
    for file in (tmp_path / "store" / "trials").glob("*.parquet"):
        pq.write_table(pq.read_table(file), file, compression="none")
    assert all("is not as large as the log said" in done.what for done in repair(tmp_path / "store"))
    _is_whole_again(tmp_path / "store")


def test_a_checkpoint_that_says_something_else(tmp_path: Path, stores: Path) -> None:
    import pyarrow.parquet as pq

    shutil.copytree(stores / _SUMMED_UP, tmp_path / "store")
    (checkpoint,) = (tmp_path / "store" / "trials" / "_delta_log").glob("*.checkpoint.parquet")
    rows = pq.read_table(checkpoint)
    pq.write_table(rows.filter(rows.column("add").is_null()), checkpoint)
    assert any("is not what its commits say" in found for found in problems(tmp_path / "store"))
    _is_whole_again(tmp_path / "store")


@pytest.mark.parametrize("broken", [None, "00000000000000000001.json", "00000000000000000000.json"])
def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path, stores: Path, broken: str | None) -> None:
    shutil.copytree(stores / "plain", tmp_path / "store")
    for table in ("trials", "targets"):  # the others are older: what a migration leaves that was interrupted
        first = tmp_path / "store" / table / "_delta_log" / "00000000000000000000.json"
        first.write_text(first.read_text().replace(f"tunedb schema {schema.SCHEMA_VERSION}", "tunedb schema 99"))
    if broken:
        (tmp_path / "store" / "trials" / "_delta_log" / broken).write_bytes(b"{")
    before = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}
    with pytest.raises(StoreSchemaError, match="upgrade tunedb"):
        repair(tmp_path / "store")
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()} == before


def test_the_log_of_an_older_store_is_mended_too(tmp_path: Path, stores: Path) -> None:
    shutil.copytree(stores / "plain", tmp_path / "store")
    for table in schema.TABLES:
        first = tmp_path / "store" / table.name / "_delta_log" / "00000000000000000000.json"
        first.write_text(first.read_text().replace(f"schema {schema.SCHEMA_VERSION}", "schema 2"))
    with pytest.raises(StoreSchemaError, match="tunedb migrate"):
        repair(tmp_path / "store")
    (tmp_path / "store/trials/_delta_log/00000000000000000002.json").write_bytes(b"garbage")
    assert "tunedb migrate" in repair(tmp_path / "store")[-1].what
    assert read_log(tmp_path / "store" / "trials").faults() == []
    with pytest.raises(TunedbError, match="tunedb migrate"):
        open_store(tmp_path / "store")


@pytest.mark.parametrize("code", ["%9d", "%2f", "%23", "%25", "%00", "%", "/", " "])
def test_a_flipped_bit_that_makes_another_path_of_a_file_costs_nothing(code: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(folder) as store:
        store.append([trial(0), trial(1)], **AROUND)
    log = folder / f"trials/_delta_log/{1:020}.json"
    told = log.read_text()
    log.write_text(re.sub(rf'("path":"part-.{{20}}).{{{len(code)}}}', lambda found: found[1] + code, told))
    assert log.read_text() != told
    assert problems(folder)
    repair(folder)
    assert not problems(folder)
    with open_store(folder) as store:
        assert {row.trial_id for row in store.trials()} == {trial(0).trial_id, trial(1).trial_id}
