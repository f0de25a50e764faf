"""Who has logged in with a browser: a random cookie stands for a token, which itself never reaches the browser's disk.

A session only reads, whatever its token may do; it ends with its token, after some hours, or with the service.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from service.tokens import Token, Tokens

COOKIE = "tunedb_session"
LIFETIME = timedelta(hours=12)
_MOST = 10_000


class Sessions:
    """The sessions of a service, in its memory; threads may share it.

    Args:
        tokens: those that may log in.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[str, datetime]] = OrderedDict()  # hash of the cookie -> token, end

    def begin(self, token: Token) -> str:
        """Opens a session; gives what its cookie says."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_digest(cookie)] = (token.token_id, datetime.now(UTC) + LIFETIME)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return cookie

    def token(self, cookie: str) -> Token | None:
        """The token of an open session, while it is valid."""
        now = datetime.now(UTC)
        with self._lock:
            token_id, end = self._open.get(_digest(cookie), ("", now))
            if now >= end:
                self._open.pop(_digest(cookie), None)
                return None
        found = self._tokens.by_id(token_id)
        return found if found is not None and found.is_valid(now) else None

    def end(self, cookie: str) -> None:
        """Closes a session, if it is open."""
        with self._lock:
            self._open.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
