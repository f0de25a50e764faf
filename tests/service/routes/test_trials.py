"""Pushing: acknowledged when it is committed, idempotent, refused with a reason, and never dropped silently."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from service.committing import Here, Pushed
from service.settings import Limits
from service.tokens import Scope
from service.writer import Writer
from tests.conftest import RunningService, serving
from tests.tunedb.samples import AROUND, SOURCE, WORKLOAD, failed, trial
from tunedb import open_store
from tunedb.errors import StoreAwayError, UsageError
from tunedb.records import AppendReport
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.http import wire
from tunedb.store.memory import MemoryStore


def batch(*numbers: int, **around: Any) -> Batch:
    return Batch(TrialColumns.of(TrialRows.of([trial(number) for number in numbers])), **around)


def message(*numbers: int) -> bytes:
    (found,) = wire.pushes(batch(*numbers, **AROUND))
    return found


def post(service: RunningService, body: bytes, form: str = wire.MESSAGE, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        "POST",
        f"{service.url}/v1/trials",
        body=body,
        headers={"Content-Type": form, **headers},
        retries=False,
        timeout=60,
    )


def test_json_is_taken_too(running_service: RunningService) -> None:
    push = wire.decode(message(0, 1), wire.Push, "it")
    rows = [{name: getattr(row, name) for name in row.__struct_fields__} for row in push.trials]
    told = {name: getattr(push, name) for name in push.__struct_fields__} | {"trials": rows}
    body = wire.msgspec.json.encode(told)
    receipt = json.loads(post(running_service, body, "application/json; charset=utf-8").data)
    assert receipt == {"added": 2, "duplicates": 0, "failed": 0, "rejected": 0}
    assert json.loads(post(running_service, body, "application/json").data)["duplicates"] == 2


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [
        (b"", wire.JSON, 422),
        (b"\xff\xff", wire.MESSAGE, 422),
        (b'{"trials": [1]}', wire.JSON, 422),
        (b'{"nosuch": []}', wire.JSON, 422),
        (b"[" * 100_000, wire.JSON, 422),
        (b"\x91" * 100_000, wire.MESSAGE, 422),
        (b"a,b", "text/csv", 415),
        (b"{}", wire.JSON, 200),
    ],
)
def test_what_cannot_be_read_is_refused(running_service: RunningService, body: bytes, form: str, status: int) -> None:
    answer = post(running_service, body, form)
    assert answer.status == status
    if status != 200:
        problem = json.loads(answer.data)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == status and problem["kind"] == "bad-input" and problem["detail"]


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    limits = Limits(body_bytes=1_000, rows=1, body_secs=0.5)
    with serving(tmp_path / "store", tmp_path / "state", limits=limits) as service:
        assert post(service, b"x" * 2_000).status == 413
        assert post(service, b"{}", wire.JSON, **{"Content-Encoding": "gzip"}).status == 415
        pool = urllib3.HTTPConnectionPool("127.0.0.1", int(service.url.rpartition(":")[2]))
        chunks = (b"x" * 400 for _ in range(10))
        given = {"headers": {"Content-Type": wire.MESSAGE}, "chunked": True, "retries": False}
        assert pool.urlopen("POST", "/v1/trials", body=chunks, **given).status == 413  # type: ignore[call-overload]


def test_a_reference_to_nothing_fails_alone(running_service: RunningService) -> None:
    with running_service.opened() as store, ThreadPoolExecutor(8) as threads:
        store.append([], **AROUND)
        lost = trial(99, module_id="0" * 32)
        given = [batch(number) for number in range(7)] + [Batch(TrialColumns.of(TrialRows.of([lost])))]
        sent = [threads.submit(store.append_batch, one) for one in given]
        assert [future.result().added for future in sent[:-1]] == [1] * 7
        with pytest.raises(UsageError, match="module_id"):
            sent[-1].result()
        assert store.stats().num_trials == 7


def test_who_sent_what_is_noted_and_can_be_taken_back(running_service: RunningService) -> None:
    with running_service.opened(Scope.WRITE, "board-3") as store:
        store.append([trial(0), failed(1)], **AROUND)
        assert [(row.source_id, row.sender) for row in store.deliveries()] == [(SOURCE.source_id, "board-3")]
    admin = {"Authorization": f"Bearer {running_service.token(Scope.ADMIN)}"}
    at = f"{running_service.url}/v1/admin/sources"
    (row,) = json.loads(urllib3.request("GET", at, headers=admin, timeout=60).data)["sources"]
    assert (row["source_id"], row["senders"][0]["sender"]) == (SOURCE.source_id, "board-3")
    assert urllib3.request("DELETE", f"{at}/{SOURCE.source_id[:8]}", headers=admin, timeout=60).status == 400
    done = json.loads(urllib3.request("DELETE", f"{at}/{SOURCE.source_id}", headers=admin, timeout=60).data)
    assert done["removed"] == 2
    with running_service.opened(Scope.READ) as store:
        assert store.stats().num_trials == 0 and store.deliveries() == []


class Held(MemoryStore):
    """A store whose appends wait."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.commits = threading.Event(), 0

    def append_batches(self, batches: Any) -> list[AppendReport]:
        self.free.wait(30)
        self.commits += 1
        return super().append_batches(batches)


def test_a_full_queue_refuses_and_says_when_to_try_again() -> None:
    store = Held()
    writer = Writer(Here(store).commit, most_rows=5)
    store.append([], **AROUND)
    taken = [writer.submit(Pushed(message(number)), 1) for number in range(5)]
    with pytest.raises(StoreAwayError) as caught:
        writer.submit(Pushed(message(9)), 1)
    assert caught.value.retry_after_secs
    store.free.set()
    assert [future.result(30) for future in taken] == [AppendReport(1, by_source={SOURCE.source_id: (1, 0)})] * 5
    writer.close()
    assert store.commits <= 2  # the first alone, and what came meanwhile together
    with pytest.raises(StoreAwayError):
        writer.submit(Pushed(message(9)), 1)


def test_what_was_acknowledged_is_there(running_service: RunningService) -> None:
    assert post(running_service, message(0, 1, 2)).status == 200
    with open_store(running_service.folder, create=False) as store:
        assert store.workload(WORKLOAD.workload_id) == WORKLOAD
        assert [row.trial_id for row in store.trials()] == [trial(number).trial_id for number in range(3)]
