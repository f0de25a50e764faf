"""Tokens: who may ask a service, and for what. Only their SHA-256 is kept: what was shown once is gone."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from tunedb.errors import NotFoundError, StoreError, UsageError

_FORM = re.compile(r"tdb_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOTED = timedelta(minutes=1)  # how exactly the last use is known
_SETTLED_NS = 100_000_000  # longer than file systems take one time for another
_REMEMBERED = 1_000  # tokens that were verified
_TABLE = """
CREATE TABLE IF NOT EXISTS tokens (
    token_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, scope TEXT NOT NULL, sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT, last_used_at TEXT, revoked_at TEXT
)
"""


class Scope(StrEnum):
    """What a token is for; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, wanted: Scope) -> bool:
        """Whether a token of this scope may do what takes another."""
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token."""

    token_id: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at a time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Tokens:
    """The tokens of a service, in a database that the command and the service share.

    Args:
        folder: the folder of the service's state; it is made if it is not there, for its owner only.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokens.sqlite"
        self._verified: dict[str, tuple[tuple[int, int], Token]] = {}  # by digest, with the state of the database
        self._empty: tuple[int, int] | None = None  # in which no token was ever made
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"cannot open the tokens in {folder}: {error.strerror}") from error
        with self._database() as database:
            database.execute(_TABLE)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            database = sqlite3.connect(self._path, timeout=10.0)
            try:
                with database:
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the tokens in {self._path}: {error}") from error

    def create(self, name: str, scope: Scope, lifetime: timedelta | None) -> str:
        """Makes a token and returns it: it is not to be had again.

        Args:
            name: what it is called; trials that come with it are said to be of this sender.
            scope: what it is for.
            lifetime: how long it is valid; None for ever.

        Raises:
            UsageError: the name is taken, or not made of plain letters.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a token's name: letters, digits and ._- up to 64")
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = f"tdb_{identity}_{secret}"
        now = datetime.now(UTC)
        try:
            expires = None if lifetime is None else (now + lifetime).isoformat()
        except OverflowError as error:
            raise UsageError(f"a token cannot be valid for {lifetime}") from error
        row = (identity, name, scope.value, _digest(token), now.isoformat(), expires)
        with self._database() as database:
            if database.execute("SELECT 1 FROM tokens WHERE name = ?", [name]).fetchone():
                raise UsageError(f"there is, or was, a token {name!r}: each has a name of its own")
            database.execute(
                "INSERT INTO tokens (token_id, name, scope, sha256, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
        return token

    def all(self) -> list[Token]:
        """All tokens, the oldest first, with those that are no longer valid."""
        columns = "token_id, name, scope, created_at, expires_at, last_used_at, revoked_at"
        with self._database() as database:
            rows = database.execute(f"SELECT {columns} FROM tokens ORDER BY created_at, name").fetchall()
        return [Token(row[0], row[1], Scope(row[2]), *map(_moment, row[3:])) for row in rows]  # type: ignore[arg-type]

    def by_id(self, token_id: str) -> Token | None:
        """The token of an id, valid or not."""
        return next((token for token in self.all() if token.token_id == token_id), None)

    def revoke(self, name: str) -> Token:
        """Makes a token invalid from now on.

        Raises:
            NotFoundError: there is none of that name.
        """
        now = datetime.now(UTC).isoformat()
        with self._database() as database:
            database.execute("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE name = ?", [now, name])
        found = next((token for token in self.all() if token.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no token {name!r}; `tunedb token list` lists them", kind="token", asked=name)
        return found

    def exist(self) -> bool:
        """Whether a token was ever made: from then on nothing is answered without one."""
        state = self._state()
        with self._database() as database:
            found = database.execute("SELECT 1 FROM tokens LIMIT 1").fetchone() is not None
        self._empty = state if not found else None
        return found

    def num_valid(self) -> int:
        """How many are valid now."""
        now = datetime.now(UTC)
        return sum(token.is_valid(now) for token in self.all())

    def remembered(self, text: str) -> Token | None:
        """What `verify` said of a text, where nothing has changed since; None: ask it. Opens no database."""
        known = self._verified.get(_digest(text))
        if known is None or self._state() != known[0] or not known[1].is_valid(now := datetime.now(UTC)):
            return None
        used = known[1].last_used_at
        return known[1] if used is not None and now - used <= _NOTED else None

    def are_unchanged_without(self) -> bool:
        """Whether it is known, without a look at the database, that no token was ever made."""
        return self._empty is not None and self._empty == self._state()

    def _state(self) -> tuple[int, int] | None:
        """By what a change of the database is noticed; None while it is so new that another could look the same."""
        try:
            told = self._path.stat()
        except OSError:
            return None
        is_settled = time.time_ns() - told.st_mtime_ns > _SETTLED_NS
        return (told.st_mtime_ns, told.st_size) if is_settled else None

    def verify(self, text: str) -> Token | None:
        """The token that a text is, if it is valid; its use is noted."""
        state = self._state()
        found = self._looked_up(text)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        if found is not None and state is not None:
            self._verified[_digest(text)] = (state, found)
        return found

    def _looked_up(self, text: str) -> Token | None:
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        now = datetime.now(UTC)
        columns = "sha256, token_id, name, scope, created_at, expires_at, last_used_at, revoked_at"
        with self._database() as database:
            row = database.execute(f"SELECT {columns} FROM tokens WHERE token_id = ?", [form[1]]).fetchone()
            kept = row[0] if row else _digest("")
            if not hmac.compare_digest(kept, _digest(text)) or row is None:
                return None
            token = Token(row[1], row[2], Scope(row[3]), *map(_moment, row[4:]))  # type: ignore[arg-type]
            if not token.is_valid(now):
                return None
            if token.last_used_at is None or now - token.last_used_at > _NOTED:
                database.execute("UPDATE tokens SET last_used_at = ? WHERE token_id = ?", [now.isoformat(), form[1]])
            return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
