"""What a child process does: reads requests, lets a function answer them, and writes the replies."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from tunedb.processes.pipes import framed, read_message, write


def serve(answer_name: str, request_name: str, limits: tuple[int, int] | None) -> None:
    """Serves requests until their pipe is closed. The two pipes' descriptors are the arguments of the command.

    Args:
        answer_name: the function from requests to replies, as "module:function".
        request_name: the type of a request, as "module:type".
        limits: the address space in bytes and the CPU time in seconds that this process may use; None for no limits.
    """
    requests, replies = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)  # a linker that it starts must not keep the pipes open
    if limits is not None:
        memory_bytes, cpu_secs = limits
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_secs, cpu_secs))
    answer = _named(answer_name)
    decoder = msgspec.msgpack.Decoder(_named(request_name))
    encoder = msgspec.msgpack.Encoder()

    def received() -> Iterator[Any]:
        with contextlib.suppress(EOFError):
            while True:
                yield decoder.decode(read_message(requests, None))

    for reply in answer(received()):
        try:
            write(replies, framed(encoder, reply), None)
        except BrokenPipeError:  # nobody waits for it
            return


def _named(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
