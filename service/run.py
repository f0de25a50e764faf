"""Runs a service until it is told to stop."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from typing_extensions import override

from service.dashboard import drawing
from service.dashboard.built import Panels
from service.dashboard.digest import remember
from service.dashboard.warming import warm_up
from service.memory import few_heaps, give_back_now_and_then
from service.patience import PatientProtocol
from service.settings import Settings
from service.state import Service
from service.tokens import Tokens
from tunedb.errors import UsageError
from tunedb.store.contract import Store

_GRACE_SECS = 10
_KEEP_ALIVE_SECS = 30  # that a connection may be idle between two requests
_SWITCH_SECS = 0.0005  # who answers waits no longer than that for who commits
_HEADER_BYTES = 32 << 10
_BACKLOG = 512


def serve(store: Store, settings: Settings, on_start: Callable[[str], None]) -> None:
    """Serves a store until SIGINT or SIGTERM; what was acknowledged is committed.

    Args:
        store: the store; it stays open.
        settings: where to listen, and to whom.
        on_start: told the service's URL once it listens.

    Raises:
        UsageError: the settings make no sense, or something else listens there.
    """
    _run(store, settings, on_start, only_looking=False)


def look_at(store: Store, settings: Settings, on_start: Callable[[str], None], kept: Path | None = None) -> None:
    """Serves a store's dashboard alone until SIGINT or SIGTERM; nothing can be changed through it.

    Args:
        store: the store; it stays open.
        settings: where to listen, and to whom.
        on_start: told the URL once it listens.
        kept: a folder for what was counted in stores, so that it need not be counted again; None for none.

    Raises:
        UsageError: the settings make no sense, or something else listens there.
    """
    if kept is not None:
        remember(store, kept)
    _run(store, settings, on_start, only_looking=True)


def _run(store: Store, settings: Settings, on_start: Callable[[str], None], *, only_looking: bool) -> None:
    drawing.needed()
    few_heaps()
    server, listening, url = prepared(store, settings, only_looking=only_looking, warms_up=True)
    sys.setswitchinterval(_SWITCH_SECS)
    gc.collect()
    gc.freeze()  # whoever asks does not wait for a look at all that was imported
    signal.signal(signal.SIGTERM, server.handle_exit)  # from now on, and not only once uvicorn listens to signals
    give_back_now_and_then()
    on_start(url)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def prepared(
    store: Store, settings: Settings, *, only_looking: bool = False, warms_up: bool = False
) -> tuple[uvicorn.Server, socket.socket, str]:
    """A server that is to be run, the socket that it listens at, and its URL.

    Args:
        store: the store.
        settings: where to listen, and to whom.
        only_looking: whether it has the dashboard alone.
        warms_up: whether to begin at once with what the first page would wait for.

    Raises:
        UsageError: the settings make no sense, or something else listens there.
    """
    settings.check(Tokens(settings.state).num_valid())
    listening = _listening(settings.host, settings.port)
    panels = Panels(store)
    if warms_up:
        warm_up(panels)
    from service.app import create_app  # takes as long as counting a million trials, which has begun

    service = Service.of(store, settings, only_looking=only_looking)
    scheme = "https" if settings.certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        create_app(service, panels, only_looking=only_looking),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=_GRACE_SECS,
        ws="none",
        http=PatientProtocol,
        timeout_keep_alive=_KEEP_ALIVE_SECS,
    )
    return _Server(config), listening, f"{scheme}://{host}:{listening.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Ends at SIGTERM as what it was told to do: the signal is not raised again."""

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio sees to it only where a socket names its protocol: a body would wait 40 ms for its head's receipt.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen at {host}:{port}: {reason}") from error
