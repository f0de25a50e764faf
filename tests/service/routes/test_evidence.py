"""Evidence and predictions over HTTP; traces are replayed elsewhere than in the service."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from costmodels.kinds import of_kind
from service.predicting import MOST_TRACES
from tests.conftest import RunningService
from tests.tunedb.samples import AROUND, TARGET, module, trial, workload


def ask(service: RunningService, method: str, path: str, told: Any = None) -> tuple[int, Any]:
    body = None if told is None else json.dumps(told)
    answer = urllib3.request(method, service.url + path, body=body, retries=False, timeout=240)
    return answer.status, json.loads(answer.data)


@pytest.fixture
def filled(running_service: RunningService) -> RunningService:
    with running_service.opened() as store:
        for number, name in enumerate("ab"):
            one = replace(workload(name), family="matmul", extents=(64 << number, 64, 64))
            own = module(one)
            row = trial(number, workload_id=one.workload_id, module_id=own.module_id)
            store.append([row], **{**AROUND, "workloads": [one], "modules": [own]})  # type: ignore[arg-type]
    return running_service


def test_the_nearest_are_asked_by_hash_or_by_size(filled: RunningService) -> None:
    target = TARGET.target_id
    status, told = ask(filled, "GET", f"/v1/nearest/matmul?extents=96,64,64&target={target}")
    assert status == 200 and len(told["results"]) == 2
    assert told["results"][0]["distance"] > 0 and told["results"][0]["trace"]
    known = workload("a").workload_id
    status, told = ask(filled, "GET", f"/v1/nearest/{known}?target={target}")
    assert status == 200 and [row["workload_hash"] for row in told["results"]] == [workload("b").workload_id]
    assert ask(filled, "GET", f"/v1/nearest/matmul?extents=a&target={target}")[0] == 400
    assert ask(filled, "GET", f"/v1/nearest/ffff?target={target}")[0] == 404


def test_features_are_predicted(filled: RunningService) -> None:
    width = len(of_kind("llvm").features.names())
    given = {"target": TARGET.target_id, "features": [[0.0] * width, [1.0] * width]}
    status, told = ask(filled, "POST", "/v1/predict", given)
    assert status == 200, told
    assert told["bundled"] and told["feature_version"] == of_kind("llvm").features.FEATURE_VERSION
    assert all(row["std"] > 0 and row["error"] is None for row in told["predictions"]) and len(told["predictions"]) == 2


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"target": TARGET.target_id}, 400),
        ({"target": TARGET.target_id, "features": [[1.0]]}, 422),
        ({"target": TARGET.target_id, "features": []}, 422),
        ({"target": TARGET.target_id, "traces": [[[], []]]}, 400),
        ({"target": TARGET.target_id, "traces": [[1, 2]], "workload": "a"}, 422),
        ({"target": TARGET.target_id, "traces": [[[], []]] * (MOST_TRACES + 1), "workload": "a"}, 422),
        ({"target": "nowhere", "features": [[1.0]]}, 404),
        ({"what": 1}, 422),
    ],
)
def test_what_cannot_be_predicted_is_refused(filled: RunningService, told: Any, status: int) -> None:
    assert ask(filled, "POST", "/v1/predict", told)[0] == status


@pytest.mark.tvm
def test_a_trace_that_cannot_be_replayed_has_a_cause(filled: RunningService) -> None:
    given = {"target": TARGET.target_id, "workload": workload("a").workload_id, "traces": [[[], []]]}
    status, told = ask(filled, "POST", "/v1/predict", given)
    assert status == 200
    assert told["predictions"][0]["mean"] is None and told["predictions"][0]["error"]
