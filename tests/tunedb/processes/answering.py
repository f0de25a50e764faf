"""What the child processes of tests/tunedb/processes/test_child.py do."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import msgspec


class Order(msgspec.Struct):
    """What a child is to do next."""

    do: str
    number: int = 0
    content: bytes = b""


class Done(msgspec.Struct):
    """What it did."""

    pid: int
    number: int = 0
    content: bytes = b""


def obey(orders: Iterator[Order]) -> Iterator[Done]:
    """Does as it is told."""
    for number, order in enumerate(orders):
        match order.do:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(order.number)
            case "raise":
                raise ValueError("as asked")
            case "hang":
                time.sleep(600)
            case "write garbage":
                os.write(int(sys.argv[2]), order.content)
                time.sleep(600)
            case "print":
                print("spoken by the child", flush=True)  # noqa: T201
                os.write(1, b"written by the child\n")
            case "allocate":
                try:
                    bytearray(order.number)
                except MemoryError:
                    yield Done(os.getpid(), -1)
                    continue
            case "spin":
                while True:
                    pass
            case "count":
                for count in range(order.number):
                    yield Done(os.getpid(), count)
                continue
        yield Done(os.getpid(), number, order.content)
