"""A store as it was."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tunedb import samples
from tests.tunedb.samples import AROUND, WORKLOAD, trial
from tunedb import open_store
from tunedb.errors import NotFoundError, UsageError
from tunedb.store.delta.history import SEEN, commit_at, commits_of


def test_versions_and_times_lead_back(tmp_path: Path) -> None:
    softmax = samples.workload("softmax")
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        first = store.version()
        time.sleep(0.05)
        between = datetime.now(UTC)
        time.sleep(0.05)
        store.append([trial(1, secs=1e-6)], workloads=[softmax])
        newest = store.version()
    for as_of in (first, int(first), between, between.isoformat()):
        with open_store(tmp_path / "store", as_of=as_of) as past:
            assert past.version() == first
            assert [row.name for row in past.workloads()] == [WORKLOAD.name]
            assert past.best(WORKLOAD.workload_id)[0].trial_id == trial(0).trial_id
            assert past.stats().num_trials == 1
            assert past.sql("SELECT count(*) FROM trials").rows == [(1,)]
            assert past.problems() == []
    with open_store(tmp_path / "store", as_of=newest) as now:
        assert now.best(WORKLOAD.workload_id)[0].trial_id == trial(1, secs=1e-6).trial_id


def test_the_past_stays_while_the_store_goes_on(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
        with open_store(tmp_path / "store", as_of=store.version()) as past:
            store.append([trial(1)])
            assert len(list(past.trials())) == 1
            with pytest.raises(UsageError, match="the past"):
                past.append([trial(2)], **AROUND)
        assert len(list(store.trials())) == 2


def test_what_was_never_is_not_found(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0)], **AROUND)
    with pytest.raises(NotFoundError, match="no version 99; its newest is 1"):
        open_store(tmp_path / "store", as_of=99)
    with open_store(tmp_path / "store", as_of="2001-01-01") as before:
        assert list(before.trials()) == []
    for nonsense in ("yesterday", "-3", ""):
        with pytest.raises(UsageError):
            open_store(tmp_path / "store", as_of=nonsense)
    with pytest.raises(NotFoundError):
        open_store(tmp_path / "absent", as_of=0)
    assert not (tmp_path / "absent").exists()


def _commits(folder: Path) -> list[Path]:
    return sorted((folder / "trials" / "_delta_log").glob("*.json"))


def _say(commit: Path, **told: object) -> None:
    """Changes what a commit says of itself; None takes a key away."""
    lines = [json.loads(line) for line in commit.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"].update(told)
            line["commitInfo"] = {key: value for key, value in line["commitInfo"].items() if value is not None}
    commit.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _three_versions(folder: Path) -> list[tuple[str, datetime]]:
    """A store of three commits, each with a workload of its own; the version and a time of each."""
    moments = []
    with open_store(folder) as store:
        for number in range(3):
            row = samples.workload(f"workload-{number}")
            store.append(
                [trial(number, workload_id=row.workload_id, module_id="")],
                **{**AROUND, "workloads": [row], "modules": []},
            )
            time.sleep(0.02)
            moments.append((store.version(), datetime.now(UTC)))
            time.sleep(0.02)
    return moments


def _past_is_whole(folder: Path, as_of: str | datetime, number: int) -> None:
    with open_store(folder, as_of=as_of) as past:
        stats = past.stats()
        assert (stats.num_trials, stats.num_workloads) == (number + 1, number + 1)
        assert past.problems() == []


@pytest.mark.parametrize("names_versions", [True, False], ids=["commits name versions", "an older store"])
def test_a_copy_has_the_same_past(tmp_path: Path, names_versions: bool) -> None:
    moments = _three_versions(tmp_path / "store")
    if not names_versions:
        for commit in _commits(tmp_path / "store"):
            _say(commit, **{SEEN: None})
    shutil.copytree(tmp_path / "store", tmp_path / "copy", copy_function=shutil.copyfile)
    for number, (_, file) in enumerate(sorted((str(path), path) for path in (tmp_path / "copy").rglob("*"))):
        os.utime(file, (1e9 + number % 7, 1e9 + number % 7))
    for number, (version, moment) in enumerate(moments):
        for as_of in (version, moment):
            _past_is_whole(tmp_path / "store", as_of, number)
            _past_is_whole(tmp_path / "copy", as_of, number)


def test_a_past_stays_whole_when_the_log_is_summed_up(tmp_path: Path) -> None:
    moments = _three_versions(tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        store.compact()
    for number, (version, moment) in enumerate(moments):
        _past_is_whole(tmp_path / "store", version, number)
        _past_is_whole(tmp_path / "store", moment, number)
    for commit in _commits(tmp_path / "store")[:-1]:  # as Delta Lake removes them after a month
        commit.unlink()
    newest = json.loads((tmp_path / "store" / "trials" / "_delta_log" / "_last_checkpoint").read_text())["version"]
    _past_is_whole(tmp_path / "store", str(newest), 2)
    with pytest.raises(NotFoundError, match="no version 1; its newest is"):
        open_store(tmp_path / "store", as_of=1)


def test_clocks_that_go_backwards_or_stand_still(tmp_path: Path) -> None:
    """A commit's versions of the other tables are its own, whatever the time was."""
    moments = _three_versions(tmp_path / "store")
    for commit in _commits(tmp_path / "store"):
        _say(commit, timestamp=1_000_000_000_000)
    for number, (version, _) in enumerate(moments):
        with open_store(tmp_path / "store", as_of=version) as past:
            assert past.stats().num_trials == number + 1
            assert past.stats().num_workloads == number + 1
            assert past.problems() == []


def test_times_never_go_back() -> None:
    told = [(0, 10, None), (1, 30, {"targets": 2}), (2, 20, {"targets": 1, "sources": 4}), (3, 40, {"targets": "x"})]
    history = [{"version": version, "timestamp": moment, SEEN: seen} for version, moment, seen in reversed(told)]
    commits = commits_of(history)
    assert [commit.moment for commit in commits] == [10, 30, 30, 40]
    assert commits[3].seen == {"targets": 2, "sources": 4}
    assert [commit_at(commits, moment).version for moment in (5, 10, 29, 30, 39, 99)] == [0, 0, 0, 2, 2, 3]
