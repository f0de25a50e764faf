"""Asking: the documents of the command, pages, tags, streams, and errors that say what was asked."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pytest
import urllib3

from tests.conftest import RunningService
from tests.tunedb.samples import AROUND, OTHER_TARGET, TARGET, WORKLOAD, failed, module, trial, workload
from tunedb import open_store
from tunedb.documents import answers
from tunedb.query.best import best


def get(service: RunningService, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", service.url + path, headers=headers, retries=False, timeout=60)


def told(service: RunningService, path: str) -> Any:
    answer = get(service, path)
    assert answer.status == 200, answer.data
    return json.loads(answer.data)


@pytest.fixture
def filled(running_service: RunningService) -> RunningService:
    """A service over three workloads, one of them measured on two targets."""
    others = [workload(name) for name in ("conv2d", "softmax")]
    around = {
        **AROUND,
        "workloads": [WORKLOAD, *others],
        "modules": [*AROUND["modules"], *map(module, others)],
        "targets": [TARGET, OTHER_TARGET],
    }
    trials = [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)]
    trials += [trial(4, workload_id=one.workload_id, module_id=module(one).module_id) for one in others]
    with running_service.opened() as store:
        assert store.append(trials, **around).added == 6  # type: ignore[arg-type]
    return running_service


def test_best_is_what_the_command_says(filled: RunningService) -> None:
    with open_store(filled.folder) as store:
        expected = answers.best(best(store, WORKLOAD.workload_id, None, 2))
    assert told(filled, f"/v1/best/{WORKLOAD.workload_id[:8]}?top=2") == json.loads(json.dumps(expected))
    of_one = told(filled, f"/v1/best/{WORKLOAD.workload_id}?target=skylake-avx512")["results"]
    assert [row["target_id"] for row in of_one] == [OTHER_TARGET.target_id]


def test_pages_hold_everything_once(filled: RunningService) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = told(filled, f"/v1/workloads?limit=1&cursor={cursor}")
        seen += [row["workload_hash"] for row in page["workloads"]]
        cursor = page["next"]
    whole = told(filled, "/v1/workloads")
    assert whole["next"] is None and len(seen) == 3
    assert seen == [row["workload_hash"] for row in whole["workloads"]]


def test_every_question_has_its_document(filled: RunningService) -> None:
    workload_id = WORKLOAD.workload_id
    assert len(told(filled, "/v1/targets")["targets"]) == 2
    assert told(filled, "/v1/stats")["trials"] == 6
    assert told(filled, f"/v1/show/{workload_id}")["trials"] == 4
    assert told(filled, f"/v1/history?workload={workload_id}")
    assert told(filled, f"/v1/compare?workload={workload_id}")
    record = trial(0).trial_id
    assert record in json.dumps(told(filled, f"/v1/show/{record}"))


def test_what_a_client_has_is_not_sent_again(filled: RunningService) -> None:
    path = f"/v1/best/{WORKLOAD.workload_id}"
    tag = get(filled, path).headers["ETag"]
    again = get(filled, path, **{"If-None-Match": tag})
    assert again.status == 304 and again.data == b""
    with filled.opened() as store:
        store.append([trial(9, 1e-6)], **AROUND)  # type: ignore[arg-type]
    after = get(filled, path, **{"If-None-Match": tag})
    assert after.status == 200 and after.headers["ETag"] != tag


def test_export_streams_every_trial(filled: RunningService) -> None:
    with pa.ipc.open_stream(io.BytesIO(get(filled, "/v1/export").data)) as reader:
        table = reader.read_all()
    lines = [json.loads(line) for line in get(filled, "/v1/export?format=jsonl").data.splitlines()]
    assert table.num_rows == 6 == len(lines)
    assert sorted(table["trial_id"].to_pylist()) == sorted(line["trial_id"] for line in lines)
    of_one = get(filled, f"/v1/export?format=jsonl&target_id={OTHER_TARGET.target_id}").data.splitlines()
    assert [json.loads(line)["trial_id"] for line in of_one] == [
        trial(3, target_id=OTHER_TARGET.target_id).trial_id  # the only one
    ]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/best/ffff0000", 404, "not-found"),
        (f"/v1/models/{TARGET.target_id}", 404, "not-found"),
        ("/v1/workloads?cursor=x", 400, "usage"),
        ("/v1/workloads?limit=0", 422, "bad-input"),
        ("/v1/export?workload_id=../x", 422, "bad-input"),
        ("/v1/nowhere", 404, "not-found"),
    ],
)
def test_an_error_is_a_problem_document(filled: RunningService, path: str, status: int, kind: str) -> None:
    answer = get(filled, path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = json.loads(answer.data)
    assert (problem["status"], problem["kind"]) == (status, kind) and problem["detail"]
    if path.startswith("/v1/best"):
        assert problem["asked"] == "ffff0000"


def test_it_says_how_it_is(filled: RunningService) -> None:
    assert told(filled, "/healthz") == told(filled, "/readyz") == {"status": "ok"}
    assert b"tunedb_" in get(filled, "/metrics").data
    schema = told(filled, "/openapi.json")
    assert "/v1/best/{workload}" in schema["paths"] and "Problem" in schema["components"]["schemas"]
