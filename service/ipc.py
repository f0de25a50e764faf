"""Record batches as pieces of a stream: Arrow's IPC form, or a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

_ROWS = 1_000


def ipc_pieces(reader: pa.RecordBatchReader) -> Iterator[bytes]:
    """What Arrow's stream writer makes of record batches, batch by batch."""
    sink = _Sink()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        yield sink.taken()
        for batch in reader:
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


def json_lines(reader: pa.RecordBatchReader) -> Iterator[bytes]:
    """The rows of record batches, each as a JSON object on a line of its own."""
    encode = msgspec.json.Encoder().encode_lines
    for batch in reader:
        for start in range(0, batch.num_rows, _ROWS):
            rows: list[Any] = batch.slice(start, _ROWS).to_pylist()
            yield encode(rows)


class _Sink:
    """A file that hands on what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: Any) -> int:
        self._parts.append(bytes(content))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
