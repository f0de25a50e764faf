"""Tokens: kept as hashes, expiring, revoked at once, and their use noted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from service.tokens import Scope, Tokens
from tunedb.errors import NotFoundError, UsageError


def test_a_token_opens_until_it_is_revoked(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "state")
    assert not tokens.exist()
    text = tokens.create("board", Scope.WRITE, timedelta(days=1))
    found = tokens.verify(text)
    assert found is not None and (found.name, found.scope) == ("board", Scope.WRITE)
    (listed,) = Tokens(tmp_path / "state").all()
    assert listed.last_used_at is not None
    for wrong in ("", "tdb_", text[:-1], text + "A", text[:-1] + ("A" if text[-1] != "A" else "B"), text.upper()):
        assert tokens.verify(wrong) is None
    tokens.revoke("board")
    assert tokens.verify(text) is None
    assert tokens.exist() and tokens.num_valid() == 0


def test_a_token_ends_with_its_time(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    assert tokens.verify(tokens.create("late", Scope.READ, timedelta(0))) is None
    assert tokens.verify(tokens.create("for-ever", Scope.READ, None)) is not None


def test_no_token_is_kept(tmp_path: Path) -> None:
    text = Tokens(tmp_path).create("board", Scope.ADMIN, None)
    secret = text.rpartition("_")[2].encode()
    for path in tmp_path.iterdir():
        assert secret not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_names_are_plain_and_their_own(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.create("board", Scope.READ, None)
    tokens.revoke("board")
    for name in ("board", "", "a b", "x" * 65, "../x"):
        with pytest.raises(UsageError):
            tokens.create(name, Scope.READ, None)
    with pytest.raises(NotFoundError, match="token list"):
        tokens.revoke("nobody")


def test_a_scope_includes_those_before_it() -> None:
    assert Scope.ADMIN.allows(Scope.WRITE) and Scope.WRITE.allows(Scope.READ) and Scope.READ.allows(Scope.READ)
    assert not Scope.READ.allows(Scope.WRITE) and not Scope.WRITE.allows(Scope.ADMIN)
