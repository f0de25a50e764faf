"""What the routes of a service share: its store, its writer, its tokens, and what it notes of itself."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from service.audit import AuditLog
from service.committing import Beside, Committer, Done, Here, Pushed
from service.index import BestIndex
from service.metrics import Metrics
from service.sessions import Sessions
from service.settings import Settings
from service.tokens import Tokens
from service.writer import Writer
from tunedb.errors import StoreAwayError
from tunedb.store.contract import Store
from tunedb.store.delta.store import DeltaStore
from tunedb.store.locations import is_url


@dataclass(frozen=True, slots=True)
class Service:
    """One service over one store, which whoever opened it closes after the service."""

    store: Store
    settings: Settings
    tokens: Tokens
    writer: Writer[Pushed, Done]
    committer: Committer
    metrics: Metrics
    audit: AuditLog
    streams: threading.Semaphore
    sessions: Sessions
    index: BestIndex | None  # None: the store is not in a folder, and asked each time

    @classmethod
    def of(cls, store: Store, settings: Settings, *, only_looking: bool = False) -> Service:
        """A service over a store, with its state in the folder that the settings name.

        Args:
            store: the store.
            settings: where its state is, and its limits.
            only_looking: whether nothing will be pushed to it, nor asked of its API.
        """
        index = None
        if not only_looking and isinstance(store, DeltaStore) and not is_url(store.url):
            index = BestIndex(DeltaStore(store.url, create=False))
        committer: Committer = Beside(store.url) if index is not None and settings.commits_beside else Here(store)
        around = index.committing if index else nullcontext
        writer = Writer(committer.commit, settings.limits.queued_rows, around)
        tokens = Tokens(settings.state)
        return cls(
            store,
            settings,
            tokens,
            writer,
            committer,
            Metrics(writer),
            AuditLog(settings.state),
            threading.Semaphore(settings.limits.streams),
            Sessions(tokens),
            index,
        )

    def take_stream(self) -> None:
        """Counts a stream as open; whoever calls it lets go of it with `streams.release`.

        Raises:
            StoreAwayError: too many are.
        """
        if not self.streams.acquire(blocking=False):
            raise StoreAwayError("too many streams are open: try again", retry_after_secs=1.0)

    def close(self) -> None:
        """Commits what waits. The store stays open."""
        self.writer.close()
        self.committer.close()
        if self.index is not None:
            self.index.close()
        self.audit.close()


def service_of(request: Request) -> Service:
    """The service that a request was made to."""
    return cast(Service, request.app.state.service)


def sender_of(request: Request) -> str:
    """The name of the token that a request came with; "" for this machine's own user."""
    return cast(str, request.scope["tunedb.sender"])
