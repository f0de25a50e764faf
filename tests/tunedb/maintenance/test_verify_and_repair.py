"""Stores that were damaged: what is said of them, and what is left after a repair."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.tunedb import samples
from tests.tunedb.samples import AROUND, OTHER_TARGET, TARGET, trial
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.maintenance.repair import repair
from tunedb.maintenance.verify import verify


def good(number: int, target_id: str = TARGET.target_id):  # type: ignore[no-untyped-def]
    return trial(number, target_id=target_id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two commits: trials 0 and 1, then 2 for another target."""
    with open_store(tmp_path / "store") as store:
        store.append([good(0), good(1)], **AROUND)
        store.append([good(2, OTHER_TARGET.target_id)], targets=[OTHER_TARGET])
    return tmp_path / "store"


def problems(folder: Path) -> list[str]:
    with open_store(folder, create=False) as store:
        return verify(store)


def newest(folder: Path, table: str, pattern: str = "*.parquet") -> Path:
    return max((folder / table).rglob(pattern), key=lambda file: file.stat().st_mtime_ns)


def trials_left(folder: Path) -> set[str]:
    with open_store(folder, create=False) as store:
        assert verify(store) == []
        store.target_summaries()
        return {row.trial_id for row in store.trials()}


def test_a_sound_store_is_sound(folder: Path) -> None:
    assert problems(folder) == []
    before = sorted(folder.rglob("*"))
    assert repair(folder) == []
    assert sorted(folder.rglob("*")) == before


def test_a_broken_file_is_named_and_set_aside(folder: Path) -> None:
    file = newest(folder, "trials")
    file.write_bytes(b"not parquet" * 20)
    (found,) = problems(folder)
    assert "trials" in found
    (done,) = repair(folder)
    assert str(file) in done.what
    assert Path(done.moved_to).read_bytes() == b"not parquet" * 20
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id}
    with open_store(folder) as store:  # what was lost can be added again
        assert store.append([good(2, OTHER_TARGET.target_id)]).added == 1


def test_a_lost_file_is_named_and_left_out(folder: Path) -> None:
    newest(folder, "trials").unlink()
    assert problems(folder)
    (done,) = repair(folder)
    assert "gone" in done.what
    assert done.moved_to == ""
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id}


def test_trials_of_a_lost_target_are_set_aside(folder: Path) -> None:
    import pyarrow.parquet as pq

    newest(folder, "targets").unlink()
    assert problems(folder)
    file, trials = repair(folder)
    assert "targets" in file.what
    assert "1 trials referred to a target_id that is gone" in trials.what
    assert pq.read_table(trials.moved_to).column("trial_id").to_pylist() == [good(2, OTHER_TARGET.target_id).trial_id]
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id}


def test_a_commit_that_was_cut_short_is_set_aside(folder: Path) -> None:
    commit = newest(folder, "trials", "*.json")
    commit.write_bytes(commit.read_bytes()[:40])
    (done,) = repair(folder)
    assert str(commit) in done.what
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id}


def test_contents_that_were_changed_are_named(folder: Path) -> None:
    with open_store(folder) as store:
        store.append([dataclasses.replace(good(3), run_secs=(1e-9,))])
        softmax = samples.workload("softmax")
        changed = dataclasses.replace(samples.module(softmax), module_json=b"other")
        store.append([], workloads=[softmax], modules=[changed])
    found = problems(folder)
    assert len(found) == 2
    assert good(3).trial_id in found[0]
    assert changed.module_id in found[1]


def test_what_cannot_be_repaired_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        repair(tmp_path / "nothing")
    with pytest.raises(UsageError, match="folder"):
        repair("s3://bucket/store")
