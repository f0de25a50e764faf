"""Stores that were damaged: what is left after a repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tunedb.maintenance.damage import good, newest, problems, trials_left
from tests.tunedb.samples import OTHER_TARGET
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.maintenance.repair import repair


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


def test_what_stays_of_a_file_whose_rows_are_taken_out_is_sound(folder: Path) -> None:
    with open_store(folder) as store:
        store.append([good(3, OTHER_TARGET.target_id), good(4)])
    newest(folder, "targets").unlink()
    repair(folder)
    assert problems(folder) == []
    assert repair(folder) == []
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id, good(4).trial_id}


def test_a_commit_that_was_cut_short_is_set_aside(folder: Path) -> None:
    commit = newest(folder, "trials", "*.json")
    commit.write_bytes(commit.read_bytes()[:40])
    cut, found = repair(folder)
    assert str(commit) in cut.what
    assert Path(cut.moved_to).read_bytes()[:5] == b'{"com'
    assert "in one again" in found.what
    assert trials_left(folder) == {good(0).trial_id, good(1).trial_id, good(2, OTHER_TARGET.target_id).trial_id}


def test_what_cannot_be_repaired_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        repair(tmp_path / "nothing")
    with pytest.raises(UsageError, match="folder"):
        repair("s3://bucket/store")
