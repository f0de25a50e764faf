"""Requests to a service: kept connections, time limits, waiting while it is busy, and its errors as ours."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlunsplit

import urllib3

from tunedb.errors import StoreAwayError, StoreError, UsageError
from tunedb.store.http.credentials import ca_file, checked_url, token_for
from tunedb.store.http.problems import error_of

_CONNECT_SECS = 5.0
_ANSWER_SECS = 120.0
_PATIENCE_SECS = 30.0  # how long a question waits for a service that is busy
_FIRST_PAUSE_SECS = 0.2
_HEALTH, _LOOK_SECS = "/healthz", 5.0
_FIRST_AWAY_SECS, _LONGEST_AWAY_SECS = 2.0, 60.0  # between two tries to reach a service that is away
_KEPT = 8  # connections
_FAILED = 400


class Connection:
    """A service at a URL. Threads may share one.

    Args:
        url: of the service, with or without a path in front of its own.
        options: `token`, `token_file`, `ca_file`; the environment tells what is not there.

    Raises:
        UsageError: the URL or the token is not as it should be.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        parts = checked_url(url)
        self.url = url.rstrip("/")
        self._base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        self._token = token_for(parts, options)
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = ssl.create_default_context()
            if (file := ca_file(options)) is not None:
                try:
                    self._context.load_verify_locations(file)
                except OSError as error:
                    raise UsageError(f"cannot read the certificates in {file}: {error}") from error
        self._lock = threading.Lock()
        self._pause_secs, self._away_until = 0.0, 0.0
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(
            maxsize=_KEPT, retries=False, timeout=urllib3.Timeout(connect=_CONNECT_SECS), ssl_context=self._context
        )

    @property
    def is_away(self) -> bool:
        """Whether it was found away, and it is not yet time for another try."""
        return time.monotonic() < self._away_until

    @property
    def was_away(self) -> bool:
        """Whether it was found away, and nothing has shown since that it is back."""
        return self._pause_secs > 0

    def note_away(self) -> None:
        """It was found away: the next try comes after a pause, twice as long each time."""
        with self._lock:
            self._pause_secs = min(max(2 * self._pause_secs, _FIRST_AWAY_SECS), _LONGEST_AWAY_SECS)
            self._away_until = time.monotonic() + self._pause_secs

    def note_back(self) -> None:
        """It has answered."""
        with self._lock:
            self._pause_secs, self._away_until = 0.0, 0.0

    def look(self) -> None:
        """Sees whether it is back, and does not wait long: one that is stopped takes requests and answers none.

        Raises:
            StoreAwayError: it is not.
        """
        self._request("GET", _HEALTH, None, "", "", {}, _LOOK_SECS, stream=False)
        self.note_back()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        sends: str = "",
        wants: str = "",
        patience_secs: float = _PATIENCE_SECS,
        answer_secs: float = _ANSWER_SECS,
        **query: Any,
    ) -> bytes:
        """The body of the answer to a request. All requests may be repeated, and are while the service is busy.

        A service that was found away is looked at first.

        Args:
            method: of HTTP.
            path: below the service's URL.
            body: what is sent.
            sends: the media type of that.
            wants: the media type of the answer.
            patience_secs: how long to wait for a service that is busy.
            answer_secs: how long to wait for an answer.
            query: what follows the path; values that are None are left out.

        Raises:
            StoreAwayError: the service cannot be reached, or stayed busy.
            TunedbError: what the service says is wrong.
        """
        if self.was_away:
            self.look()
        deadline, pause = time.monotonic() + patience_secs, _FIRST_PAUSE_SECS
        while True:
            try:
                answer = self._request(method, path, body, sends, wants, query, answer_secs, stream=False)
                return bytes(answer.data)
            except StoreAwayError as error:
                wait = max(pause, error.retry_after_secs or 0.0)
                if error.retry_after_secs is None or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
                pause *= 2

    @contextmanager
    def stream(self, path: str, body: bytes | None = None, **given: Any) -> Iterator[Callable[[int], bytes]]:
        """The answer to a request piece by piece, as a function that reads so many of its next bytes.

        Raises:
            StoreAwayError: the service cannot be reached, or went away.
            TunedbError: what the service says is wrong.
        """
        wants, sends = given.pop("wants", ""), given.pop("sends", "")
        method = "GET" if body is None else "POST"
        answer = self._request(method, path, body, sends, wants, given, _ANSWER_SECS, stream=True)

        def read(size: int) -> bytes:
            with self._explained():
                return bytes(answer.read(size))

        try:
            yield read
        finally:
            answer.close()  # the connection with it: what was not read would be in the way
            answer.release_conn()

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        sends: str,
        wants: str,
        query: Mapping[str, Any],
        answer_secs: float,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        headers = {
            "Authorization": f"Bearer {self._token}" if self._token else "",
            "Content-Type": sends,
            "Accept": wants,
        }
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        with self._explained():
            answer = self._pool.request(
                method,
                f"{self._base}{path}" + (f"?{asked}" if asked else ""),
                body=body,
                headers={name: value for name, value in headers.items() if value},
                preload_content=not stream,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT_SECS, read=answer_secs),
            )
            if answer.status >= _FAILED:
                raise error_of(answer.status, answer.data, answer.headers.get("Retry-After"))
            if answer.status >= 300:
                raise StoreError(f"the service at {self.url} sends elsewhere, which is not followed")
            return answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.SSLError as error:
            raise StoreError(f"the service at {self.url} is not to be trusted: {_cause(error)}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(error, StoreError | PermissionError):
                raise
            raise StoreAwayError(f"the service at {self.url} cannot be reached: {_cause(error)}") from error

    def close(self) -> None:
        """Lets go of the connections."""
        self._pool.clear()


def _cause(error: BaseException) -> str:
    """What went wrong, without the names of objects in front."""
    text = str(error.__cause__ or error)
    return text.rpartition("> ")[2].rpartition(">: ")[2] or type(error).__name__
