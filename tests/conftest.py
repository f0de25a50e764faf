"""What all tests share: a local server that speaks S3, and a logger of TVM's that is put back after each."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from service.tokens import Scope, Tokens
from tunedb import open_store
from tunedb.store.http.store import HttpStore

_START_SECS = 60.0


@dataclass(frozen=True)
class Bucket:
    """An empty place for stores, and how to reach it."""

    url: str
    options: dict[str, str]


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a process of its own: one in this process would wait for the lock that its client holds."""
    pytest.importorskip("moto")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + _START_SECS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the S3 server did not start: {Path(log).read_text()[-500:]}")
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket."""
    import boto3

    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    name = f"tuning-{uuid.uuid4().hex}"
    options = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_ALLOW_HTTP": "true",
    }
    for option, value in options.items():
        monkeypatch.setenv(option, value)  # as boto3 takes them
    boto3.client("s3").create_bucket(Bucket=name)
    for option in options:
        monkeypatch.delenv(option)
    return Bucket(f"s3://{name}/store", options)


@dataclass(frozen=True)
class RunningService:
    """A real service over a store on disk, at a port of this machine."""

    url: str
    folder: Path  # of its store
    settings: Settings
    spool: Path  # of its clients

    def token(self, scope: Scope, name: str = "") -> str:
        """A new token; from the first one on, nothing is answered without one."""
        return Tokens(self.settings.state).create(name or f"{scope}-{uuid.uuid4().hex[:8]}", scope, None)

    def opened(self, scope: Scope | None = None, name: str = "", **options: str) -> HttpStore:
        """A store's client, with a token of a scope or with none."""
        told = {"spool": str(self.spool), **options}
        return HttpStore(self.url, told if scope is None else {**told, "token": self.token(scope, name)})


@contextmanager
def serving(folder: Path, state: Path, **settings: Any) -> Iterator[RunningService]:
    """Serves a store, which is made if it is not there, in threads of this process."""
    for needed in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(needed)
    from service.run import prepared

    told = Settings(state, **{"port": 0, "commits_beside": False, **settings})  # processes take a second each
    with open_store(folder) as store:
        server, listening, url = prepared(store, told)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield RunningService(url, folder, told, state / "spool")
        finally:
            server.should_exit = True
            thread.join(_START_SECS)
            listening.close()


@pytest.fixture
def running_service(tmp_path: Path) -> Iterator[RunningService]:
    """A service over an empty store."""
    with serving(tmp_path / "store", tmp_path / "state") as service:
        yield service


@pytest.fixture(autouse=True)
def stock_logger_is_untouched() -> Iterator[None]:
    """Puts the logger of stock's tuning calls back, so that a test which makes one does not fail because of another.

    Stock has its logger propagate no more. To such a logger pytest adds a handler without a name before each part of a
    test; and stock, which lists the handlers by their names, stumbles over it when it is called again.
    """

    def put_back() -> None:
        logger = logging.getLogger("tvm.s_tir.meta_schedule")
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        logger.handlers.clear()

    put_back()  # fixtures that several tests share come before this one
    yield
    put_back()
