"""Reads chunks of records in child processes, in order, while this one writes what they said.

Children are plain interpreters that are asked over pipes in MessagePack, not forked and not multiprocessing's: a
caller's script needs no `__main__` guard, and nothing is pickled.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

import msgspec

from tunedb.errors import BadInputError
from tunedb.ingest.chunks import Chunk, ChunkParser, Parsed

_LOG = logging.getLogger(__name__)
_MAX_CHILDREN = 4  # writing keeps up with about five
_AHEAD = 16  # chunks under way for each child: they have work while a batch is being written
_SERIAL_BYTES = 32 << 20  # children take 0.2 s to start: what is read before they are worth it

_CHUNK = msgspec.msgpack.Decoder(Chunk)
_PARSED = msgspec.msgpack.Decoder(Parsed)


class ParallelParser:
    """Parses here at first, and in children once there has been enough to parse and there is more than one core."""

    def __init__(self) -> None:
        self._here = ChunkParser()
        self._bytes = 0
        self._children: list[_Child] = []
        self._executor: ThreadPoolExecutor | None = None
        self._local = threading.local()

    def parse(self, chunks: Iterable[Chunk]) -> Iterator[Parsed]:
        """What each chunk says, in their order. Raises: BadInputError: what `chunks` raised, after all before it."""
        under_way: deque[Future[Parsed]] = deque()
        damage: BadInputError | None = None
        try:
            for chunk in chunks:
                self._bytes += len(chunk.content)
                executor = self._executor_if_worthwhile()
                if executor is None:
                    yield self._here.parse(chunk)
                    continue
                under_way.append(executor.submit(self._ask_child, chunk))
                if len(under_way) >= _AHEAD * _num_children():
                    yield under_way.popleft().result()
        except BadInputError as error:
            damage = error  # what came before it is good
        while under_way:
            yield under_way.popleft().result()
        if damage is not None:
            raise damage

    def close(self) -> None:
        """Ends the children, whatever they are doing."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            for child in self._children:
                child.process.kill()
            self._executor.shutdown(wait=True)
            for child in self._children:
                child.process.communicate()
            self._executor = None

    def _executor_if_worthwhile(self) -> ThreadPoolExecutor | None:
        if self._executor is None and self._bytes >= _SERIAL_BYTES and _num_children() > 1:
            self._executor = ThreadPoolExecutor(_num_children(), thread_name_prefix="parse")
        return self._executor

    def _ask_child(self, chunk: Chunk) -> Parsed:
        """In a thread that has one child of its own."""
        try:
            if not hasattr(self._local, "child"):
                self._local.child = _Child()
                self._children.append(self._local.child)
            child: _Child = self._local.child
            return child.parse(chunk)
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            _LOG.debug("a child that reads records is lost (%s): read here", error)
            return ChunkParser().parse(chunk)


class _Child:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tunedb.ingest.parallel"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the parent, which ends its children
        )

    def parse(self, chunk: Chunk) -> Parsed:
        _send(cast(BinaryIO, self.process.stdin), msgspec.msgpack.encode(chunk))
        return _PARSED.decode(_receive(cast(BinaryIO, self.process.stdout)))


def _num_children() -> int:
    return min(len(os.sched_getaffinity(0)), _MAX_CHILDREN)


def _send(pipe: BinaryIO, message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes:
    length = int.from_bytes(pipe.read(8), "little")
    message = pipe.read(length)
    if not length or len(message) < length:
        raise EOFError("the pipe was closed")
    return message


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    parser = ChunkParser()
    while True:
        try:
            message = _receive(requests)
        except EOFError:
            return
        _send(replies, msgspec.msgpack.encode(parser.parse(_CHUNK.decode(message))))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
