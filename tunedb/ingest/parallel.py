"""The chunks of an ingest, read in child processes, in order, while this process writes what they said."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tunedb.errors import BadInputError, ChildDiedError
from tunedb.ingest.chunks import Chunk, ChunkParser, Parsed
from tunedb.processes import Child, Children

_LOG = logging.getLogger(__name__)
_MAX_CHILDREN = 4  # writing keeps up with about five
_AHEAD = 16  # chunks under way for each child: they have work while a batch is being written
_SERIAL_BYTES = 32 << 20  # children take 0.2 s to start: what is read before they are worth it


def parse_chunks(chunks: Iterator[Chunk]) -> Iterator[Parsed]:
    """What a child does: reads each chunk that it is sent."""
    parser = ChunkParser()
    for chunk in chunks:
        yield parser.parse(chunk)


class ParallelParser:
    """Parses in this process at first, and in children once there is enough to parse and more than one core."""

    def __init__(self) -> None:
        self._here = ChunkParser()
        self._bytes = 0
        self._children = Children(lambda: Child(parse_chunks, Chunk, Parsed))
        self._executor: ThreadPoolExecutor | None = None

    def parse(self, chunks: Iterable[Chunk]) -> Iterator[Parsed]:
        """Reads chunks.

        Args:
            chunks: the chunks, read ahead of what is yielded.

        Yields:
            What each chunk says, in their order.

        Raises:
            BadInputError: what `chunks` raised, after all that came before it.
        """
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
            self._children.close()
            self._executor.shutdown(wait=True)
            self._executor = None

    def _executor_if_worthwhile(self) -> ThreadPoolExecutor | None:
        if self._executor is None and self._bytes >= _SERIAL_BYTES and _num_children() > 1:
            self._executor = ThreadPoolExecutor(_num_children(), thread_name_prefix="parse")
        return self._executor

    def _ask_child(self, chunk: Chunk) -> Parsed:
        """In a thread that has one child of its own."""
        try:
            return self._children.of_this_thread().ask(chunk)
        except ChildDiedError as error:
            _LOG.debug("a child that reads records is lost (%s): read here", error)
            return ChunkParser().parse(chunk)


def _num_children() -> int:
    return min(len(os.sched_getaffinity(0)), _MAX_CHILDREN)
