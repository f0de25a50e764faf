"""Route by route, the document is the one that the command prints; and errors carry what they know."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import urllib3
from typer.testing import CliRunner

from cli.main import app
from service.settings import Limits
from tests.conftest import RunningService, serving
from tests.tunedb import samples
from tests.tunedb.samples import AROUND, TARGET, WORKLOAD, failed, trial
from tunedb import open_store


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1), failed(2)], **AROUND)
        for number in range(4):
            other = samples.workload(f"softmax{number}")
            store.append([], workloads=[other])
    with serving(tmp_path / "store", tmp_path / "state", limits=Limits(streams=1)) as running:
        yield running


def get(service: RunningService, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", service.url + path, headers=headers, retries=False)


def printed(service: RunningService, *arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json", "--store", str(service.folder)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        (f"/v1/best/{WORKLOAD.workload_id[:8]}?top=2", ["best", WORKLOAD.workload_id[:8], "--top", "2"]),
        ("/v1/targets", ["targets"]),
        (f"/v1/history?workload={WORKLOAD.workload_id}", ["history", WORKLOAD.workload_id]),
        (f"/v1/compare?workload={WORKLOAD.workload_id}", ["compare", WORKLOAD.workload_id]),
        (f"/v1/show/{WORKLOAD.workload_id}", ["show", WORKLOAD.workload_id]),
        (f"/v1/show/{trial(0).trial_id}", ["show", trial(0).trial_id]),
    ],
)
def test_the_documents_are_those_of_the_command(service: RunningService, path: str, arguments: list[str]) -> None:
    answer = get(service, path)
    assert answer.status == 200
    assert json.loads(answer.data) == printed(service, *arguments)
    again = get(service, path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.data) == (304, b"")


def test_a_tag_changes_with_the_answer(service: RunningService) -> None:
    path = f"/v1/best/{WORKLOAD.workload_id}"
    before = get(service, path)
    with service.opened() as store:
        store.append([trial(7, 1e-5)])
    after = get(service, path, **{"If-None-Match": before.headers["ETag"]})
    assert after.status == 200 and json.loads(after.data)["run_secs_median"] == 1e-5


def test_pages_follow_each_other(service: RunningService) -> None:
    found, cursor = [], ""
    for _ in range(10):
        page = json.loads(get(service, f"/v1/workloads?limit=2&cursor={cursor}").data)
        found += page["workloads"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == printed(service, "workloads")["workloads"]
    assert len(found) == 5
    assert get(service, "/v1/workloads?cursor=nonsense").status == 400


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/best/zz", 404, {"kind": "not-found", "what": "workload", "asked": "zz"}),
        (f"/v1/best/{WORKLOAD.workload_id}?target=riscv", 404, {"kind": "not-found", "what": "target"}),
        (f"/v1/best/{WORKLOAD.workload_id}?top=0", 422, {"kind": "bad-input"}),
        (f"/v1/best/{WORKLOAD.workload_id}?conditions=[", 422, {"kind": "bad-input"}),
        ("/v1/history", 422, {"kind": "bad-input"}),
        ("/v1/models/riscv", 404, {"kind": "not-found", "what": "target"}),
        (f"/v1/models/{TARGET.target_id}", 404, {"kind": "not-found", "what": "model"}),
        ("/v1/export?workload_id=../x", 422, {"kind": "bad-input"}),
        ("/v1/tables/passwords", 404, {"kind": "not-found", "what": "table"}),
        ("/v1/files/..%2f..%2fetc%2fpasswd", 400, {"kind": "usage"}),
        ("/v1/files/models/none", 404, {"kind": "not-found", "what": "file"}),
        ("/v1/nowhere", 404, {"kind": "not-found"}),
    ],
)
def test_errors_say_what_was_asked(service: RunningService, path: str, status: int, told: dict[str, str]) -> None:
    answer = get(service, path)
    document = json.loads(answer.data)
    assert (answer.status, document["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document.items() >= told.items()


def test_an_ambiguous_prefix_names_what_it_fits(service: RunningService) -> None:
    ids = [row["workload_hash"] for row in printed(service, "workloads")["workloads"]]
    with service.opened() as store:
        for number in range(40):
            store.append([], workloads=[samples.workload(f"more{number}")])
        ids = [row.workload_id for row in store.workloads()]
    first = next(digit for digit in "0123456789abcdef" if sum(one[0] == digit for one in ids) > 1)
    document = json.loads(get(service, f"/v1/best/{first}").data)
    assert document["status"] == 409 and set(document["matches"]) == {one for one in ids if one[0] == first}


def test_trials_are_streamed(service: RunningService) -> None:
    table = pa.ipc.open_stream(io.BytesIO(get(service, "/v1/export").data)).read_all()
    lines = [json.loads(line) for line in get(service, "/v1/export?format=jsonl").data.splitlines()]
    wanted = {trial(0).trial_id, trial(1).trial_id, failed(2).trial_id}
    assert set(table.column("trial_id").to_pylist()) == {line["trial_id"] for line in lines} == wanted
    assert len(json.loads(f"[{get(service, '/v1/export?format=jsonl&top=1').data.decode().strip()}]")) == 1


def test_streams_end_and_make_room(service: RunningService) -> None:
    for _ in range(3):
        assert get(service, "/v1/tables/trials").status == 200


def test_openapi_needs_no_other_host(service: RunningService) -> None:
    schema = json.loads(get(service, "/openapi.json").data)
    assert {"/v1/best/{workload}", "/v1/trials", "/v1/export", "/metrics"} <= schema["paths"].keys()
    assert "JsonPush" in schema["components"]["schemas"]
    page = get(service, "/docs")
    assert page.status == 200
    assert "script" not in page.data.decode()


def test_health_and_metrics(service: RunningService) -> None:
    assert [get(service, path).status for path in ("/healthz", "/readyz")] == [200, 200]
    get(service, f"/v1/best/{WORKLOAD.workload_id}")
    text = get(service, "/metrics").data.decode()
    assert 'tunedb_requests_total{method="GET",route="/v1/best/{workload}",status="200"} 1.0' in text
    assert "tunedb_queued_trials 0.0" in text
