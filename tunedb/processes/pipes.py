"""Messages over a pipe: MessagePack, each after its length, read and written before a deadline."""

from __future__ import annotations

import os
import select
import time

import msgspec

_LENGTH_BYTES = 8
_MAX_MESSAGE_BYTES = 1 << 30  # a longer one is none: something else was written into the pipe


def framed(encoder: msgspec.msgpack.Encoder, message: object) -> bytearray:
    """Encodes a message behind its length, in one piece."""
    whole = bytearray(_LENGTH_BYTES)
    encoder.encode_into(message, whole, _LENGTH_BYTES)
    whole[:_LENGTH_BYTES] = (len(whole) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "little")
    return whole


def read_message(descriptor: int, deadline: float | None) -> bytearray:
    """Reads one message.

    Args:
        descriptor: the reading end of a pipe.
        deadline: the moment, by the monotonic clock, until which all of it must be there; None to wait for ever.

    Returns:
        The message without its length.

    Raises:
        EOFError: the pipe was closed before the message was whole.
        OSError: the pipe cannot be read.
        TimeoutError: the deadline has passed.
        msgspec.DecodeError: the length is that of no message.
    """
    length = int.from_bytes(_read(descriptor, _LENGTH_BYTES, deadline), "little")
    if not 0 < length <= _MAX_MESSAGE_BYTES:
        raise msgspec.DecodeError(f"{length} bytes long")
    return _read(descriptor, length, deadline)


def _read(descriptor: int, length: int, deadline: float | None) -> bytearray:
    received = bytearray(length)
    rest = memoryview(received)
    while rest:
        _await(descriptor, select.POLLIN, deadline)
        read = os.readv(descriptor, [rest])
        if not read:
            raise EOFError("the pipe was closed")
        rest = rest[read:]
    return received


def write(descriptor: int, message: bytearray, deadline: float | None) -> None:
    """Writes one message.

    Args:
        descriptor: the writing end of a pipe.
        message: the message behind its length, as `framed` gives it.
        deadline: the moment, by the monotonic clock, until which the pipe must have taken it; None to wait for ever.

    Raises:
        OSError: nobody reads the pipe any more.
        TimeoutError: the deadline has passed.
    """
    os.set_blocking(descriptor, deadline is None)
    rest = memoryview(message)
    while rest:
        _await(descriptor, select.POLLOUT, deadline)
        rest = rest[os.write(descriptor, rest) :]


def deadline_after(timeout_secs: float | None) -> float | None:
    """The moment, by the monotonic clock, when a time-out passes; None for a wait without one."""
    return None if timeout_secs is None else time.monotonic() + timeout_secs


def _await(descriptor: int, event: int, deadline: float | None) -> None:
    """Returns when the pipe can be used or is broken; at once where waiting may take for ever, as the use waits too."""
    if deadline is None:
        return
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, 1e3 * (deadline - time.monotonic()))):
        raise TimeoutError
