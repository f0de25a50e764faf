"""A service over a store of two synthetic runs and a handful of odd trials, and how its pages are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3

from benchmarks.dashboard import make_store
from search.funnels import TaskFunnel
from tests.conftest import RunningService, serving
from tests.tunedb import samples
from tests.tunedb.samples import MACHINE, MODULE, SOURCE, TARGET
from tunedb import open_store
from tunedb.query.runs import tuning_runs

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nobody writes to."""
    import msgspec

    folder = tmp_path_factory.mktemp("dashboard") / "store"
    make_store(folder, 600, 50)
    odd = samples.workload(HOSTILE)
    with open_store(folder) as store:
        fast = samples.trial(0, 1e-3, workload_id=odd.workload_id, measured_at=datetime(2026, 9, 1, tzinfo=UTC))
        lost = samples.failed(1, error=f"=cmd|{HOSTILE}\nsecond line")
        store.append(
            [fast],
            workloads=[odd, samples.WORKLOAD],
            modules=[MODULE],
            targets=[TARGET],
            hardware=[MACHINE],
            sources=[SOURCE],
        )
        store.append([lost])
        run = tuning_runs(store)[-1]
        row = store.sql(f"SELECT any_value(workload_id) FROM trials WHERE source_id = '{run.source_id}'").rows[0]
        funnel = TaskFunnel(
            name="a", workload_hash=row[0], sampled=900, refused={"VerifyGPUCode": 100}, valid=800, built=40, ran=38
        )
        store.artifacts.write(f"runs/{run.source_id}.json", msgspec.json.encode([funnel]))
    return folder


@pytest.fixture
def dashboard(filled: Path, tmp_path: Path) -> Iterator[RunningService]:
    """A service over it, without a token."""
    with serving(filled, tmp_path / "state") as service:
        yield service


Ask = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture
def ask(dashboard: RunningService) -> Ask:
    """Asks for a path as a browser does."""

    def get(path: str, method: str = "GET", body: str | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        told = {"Accept": "text/html,*/*", **({"Content-Type": "application/x-www-form-urlencoded"} if body else {})}
        given = {**told, **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = dashboard.url + path
        return urllib3.request(method, url, body=body, headers=given, retries=False, redirect=False, timeout=60)

    return get


def linked(page: str) -> list[str]:
    """The plots, files and pages that a page refers to."""
    found = re.findall(r'(?:src|srcset|href|data-spec|hx-get)="(/[^"]*)"', page)
    return sorted({address.replace("&amp;", "&") for address in found})
