"""Long answers: made by a thread of their own, as a store's streams want it, and sent as fast as they are read."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, suppress

from starlette.responses import StreamingResponse

from service.state import Service

_log = logging.getLogger(__name__)

_AHEAD = 8  # pieces that are made before they are read
_END = b""

Pieces = Callable[[], AbstractContextManager[Iterator[bytes]]]


def streamed(service: Service, pieces: Pieces, media_type: str) -> StreamingResponse:
    """An answer of pieces.

    Args:
        service: whose limits hold.
        pieces: opens what gives them; it is opened, read and closed by one thread.
        media_type: of the answer.

    Raises:
        StoreAwayError: too many streams are open.
        TunedbError: what opening them, or the first piece, raises.
    """
    service.take_stream()
    stream = _Stream(service, pieces)
    first = stream.pieces.get()
    if isinstance(first, BaseException):
        raise first
    return StreamingResponse(stream.read(first), media_type=media_type)


class _Stream:
    def __init__(self, service: Service, pieces: Pieces) -> None:
        self._service, self._make = service, pieces
        self.pieces: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self._is_over = threading.Event()
        threading.Thread(target=self._run, name="tunedb-stream", daemon=True).start()

    def _run(self) -> None:
        try:
            try:
                with self._make() as pieces:
                    for piece in pieces:
                        if piece and not self._put(piece):
                            return
                self._put(_END)
            except Exception as error:
                _log.info("a stream ended: %s", error)
                self._put(error)
        finally:
            self._service.streams.release()

    def _put(self, piece: bytes | BaseException) -> bool:
        """Hands a piece on; False where nobody takes it in time, or ever will."""
        waited, limit = 0.0, self._service.settings.limits.stream_secs
        while waited < limit and not self._is_over.is_set():
            with suppress(queue.Full):
                self.pieces.put(piece, timeout=0.5)
                return True
            waited += 0.5
        return False

    async def read(self, piece: bytes | BaseException) -> AsyncIterator[bytes]:
        try:
            while piece != _END:
                if isinstance(piece, BaseException):  # it breaks off, and its reader sees that
                    raise piece
                yield piece
                piece = await asyncio.to_thread(self._next)
        finally:
            self._is_over.set()

    def _next(self) -> bytes | BaseException:
        try:
            return self.pieces.get(timeout=self._service.settings.limits.stream_secs + 60.0)
        except queue.Empty:
            return TimeoutError("the store gives nothing more")
