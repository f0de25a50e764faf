"""Schemathesis on the service's own schema: no failure, and no status or media type that is not listed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from service.settings import Limits
from service.tokens import Scope
from tests.conftest import RunningService, serving
from tests.tunedb.samples import AROUND, failed, trial
from tunedb import open_store

pytest.importorskip("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1), failed(2)], **AROUND)
    limits = Limits(requests_per_sec=1e6, burst=1_000_000)
    with serving(tmp_path / "store", tmp_path / "state", limits=limits) as running:
        yield running


def attack(service: RunningService, cases: int) -> subprocess.CompletedProcess[str]:
    """Makes so many requests of each operation as an administrator."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--checks", CHECKS]
    command += ["--header", f"Authorization: Bearer {service.token(Scope.ADMIN)}", "--max-examples", str(cases)]
    command += ["--seed", "1", "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"]
    return subprocess.run(command, capture_output=True, text=True, cwd=service.folder.parent)


@pytest.mark.slow
def test_no_request_makes_the_service_fail(service: RunningService) -> None:
    done = attack(service, 400)
    assert done.returncode == 0, done.stdout[-8_000:]
    told = urllib3.request(
        "GET", f"{service.url}/metrics", headers={"Authorization": f"Bearer {service.token(Scope.READ)}"}, retries=False
    ).data.decode()
    answers = re.findall(r'^tunedb_requests_total\{.*status="(\d+)"\} (\S+)$', told, re.MULTILINE)
    assert sum(float(count) for _, count in answers) >= 5_000
    assert not [status for status, _ in answers if status in ("500", "502", "504")]
