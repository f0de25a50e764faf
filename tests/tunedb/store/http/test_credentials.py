"""Tokens come from the environment or a file that is its owner's alone, and go nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunedb import open_store
from tunedb.errors import NotFoundError, StoreAwayError, UsageError
from tunedb.store.http.credentials import VARIABLES, checked_url, token_for


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


LOCAL = checked_url("http://127.0.0.1:8077")


def test_a_token_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert token_for(LOCAL, {}) is None
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    file.chmod(0o600)
    monkeypatch.setenv("TUNEDB_TOKEN_FILE", str(file))
    assert token_for(LOCAL, {}) == "from-a-file"
    monkeypatch.setenv("TUNEDB_TOKEN", "from-the-environment")
    assert token_for(LOCAL, {}) == "from-the-environment"
    assert token_for(LOCAL, {"token": "given"}) == "given"
    file.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        token_for(LOCAL, {"token_file": str(file)})


@pytest.mark.parametrize("url", ["http://user:secret@host", "https://host/?token=secret", "https://host/#secret"])
def test_a_url_holds_no_secret(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://", "http://host:port", "http://[::1"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(NotFoundError, match=r"there is no store at .*, which is no URL of a service"):
        open_store(url)


def test_a_token_does_not_travel_unencrypted() -> None:
    with pytest.raises(UsageError, match="https"):
        token_for(checked_url("http://tuning.example.org"), {"token": "x"})
    assert token_for(checked_url("https://tuning.example.org"), {"token": "x"}) == "x"


def test_a_service_has_no_past() -> None:
    with pytest.raises(UsageError, match="as its store is now"):
        open_store("http://127.0.0.1:1", as_of=3)


def test_nobody_listens() -> None:
    with pytest.raises(StoreAwayError, match="cannot be reached"):
        open_store("http://127.0.0.1:1")
