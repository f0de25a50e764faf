"""Commits in a process beside the service's: the same answers as of its own, and nothing lost where it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from service.committing import Beside, Committer, Here, Pushed, Refusal, num_rows
from tests.conftest import serving
from tests.tunedb.samples import AROUND, SOURCE, trial
from tunedb import open_store
from tunedb.errors import BadInputError
from tunedb.records import AppendReport
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.http import wire


def pushed(*numbers: int, sender: str = "", **changes: str) -> Pushed:
    trials = [trial(number, **changes) for number in numbers]
    (content,) = wire.pushes(Batch(TrialColumns.of(TrialRows.of(trials)), **AROUND))
    return Pushed(content, sender=sender)


def added(count: int) -> AppendReport:
    return AppendReport(count, by_source={SOURCE.source_id: (count, 0)})


@pytest.fixture(params=["here", "beside"])
def committer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Committer]:
    with open_store(tmp_path / "store") as store:
        committer: Committer = Here(store) if request.param == "here" else Beside(store.url)
        yield committer
        committer.close()


def test_what_is_wrong_with_one_push_costs_no_other_anything(committer: Committer, tmp_path: Path) -> None:
    assert committer.commit([]) == []
    lost, broken = pushed(5, module_id="0" * 32), Pushed(b"\x80\xff")
    many = msgspec.structs.replace(pushed(6, 7), most_rows=1)
    done = committer.commit([pushed(0, 1), lost, broken, many, pushed(2), Pushed(b"{}", is_json=True)])
    assert (done[0], done[4], done[5]) == (added(2), added(1), AppendReport())
    refused = [one for one in done if isinstance(one, Refusal)]
    assert [one.status for one in refused] == [400, 422, 413]
    assert [msgspec.json.decode(one.document)["kind"] for one in refused] == ["usage", "bad-input", "too-much"]
    assert committer.commit([pushed(0, 1, 2)]) == [AppendReport(0, 3)]
    with open_store(tmp_path / "store", create=False) as store:
        assert store.stats().num_trials == 3


def test_rows_are_counted_before_they_are_looked_at() -> None:
    assert num_rows(pushed(0, 1, 2)) == 3
    assert num_rows(Pushed(b'{"trials": [1, 2], "x": 3}', is_json=True)) == 2
    for content, is_json in ((b"[]", True), (b"", True), (b"", False), (b"\x91" * 100_000, False)):
        with pytest.raises(BadInputError):
            num_rows(Pushed(content, is_json=is_json))


def children() -> set[int]:
    every = ((task / "children").read_text().split() for task in Path("/proc/self/task").iterdir())
    return {int(pid) for pids in every for pid in pids}


def test_a_service_goes_on_where_the_process_that_commits_is_killed(tmp_path: Path) -> None:
    before = children()
    with serving(tmp_path / "store", tmp_path / "state", commits_beside=True) as running, running.opened() as store:
        for number in range(4):
            assert store.append([trial(number)], **AROUND).added == 1
            new = children() - before
            assert len(new) == 1
            pid = new.pop()
            os.kill(pid, signal.SIGTERM)  # as systemd ends all processes of a service
            time.sleep(0.1)
            assert pid in children()
            os.kill(pid, signal.SIGKILL)
        assert store.append([trial(9)], **AROUND).added == 1
        store.sync()  # where a push took too long
        assert store.stats().num_trials == 5
    assert children() <= before
