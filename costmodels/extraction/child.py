"""The child process of `costmodels.extraction.extract`: replays traces and extracts features.

To each request it replies once when the module is loaded, then once per trace; a module that cannot be loaded is
answered by its cause alone.

Run as `python -m costmodels.extraction.child FD`. It talks MessagePack over the inherited socket, so that neither
side unpickles anything, and it ends when the parent closes the socket or dies.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection

import msgspec

from tunedb.errors import BadInputError
from tunedb.records import Module, Target, Trace


class Request(msgspec.Struct, frozen=True):
    """Trials of one module on one target."""

    module: Module
    target: Target
    traces: list[Trace]
    feature_version: str


class Reply(msgspec.Struct, frozen=True):
    """That the module is loaded, or the answer to the next trace."""

    row: bytes = b""  # float64 [d], native byte order; empty for the module, and when there is a cause
    cause: str = ""


def main(fd: int) -> None:
    """Serves requests until the socket closes."""
    os.dup2(2, 1)  # what TVM prints must not end up in the parent's standard output
    decoder = msgspec.msgpack.Decoder(Request)
    with Connection(fd) as connection:
        while True:
            try:
                request = decoder.decode(connection.recv_bytes())
                _serve(connection, request)
            except (EOFError, OSError, KeyboardInterrupt):
                return


def _serve(connection: Connection, request: Request) -> None:
    def send(reply: Reply) -> None:
        connection.send_bytes(msgspec.msgpack.encode(reply))

    try:
        from tvm.s_tir import meta_schedule as ms

        from costmodels import features
        from tunedb.metaschedule import intrinsics, replay

        intrinsics.register_for(request.target.kind, request.target.keys)
        module = replay.load_module(request.module)
        family = features.family(request.feature_version)
        context = ms.TuneContext(mod=module, target=replay.target_to_tvm(request.target), num_threads=1)
    except Exception as error:
        send(Reply(cause=str(error).strip()[:300] or type(error).__name__))
        return
    send(Reply())
    if family is features.workload:  # the same for all, whether they can be replayed or not
        for row in family.extract(request.traces, context):
            send(Reply(row=row.tobytes()) if row[0] == row[0] else Reply(cause="the workload cannot be described"))
        return
    for trace in request.traces:
        try:
            schedule = replay.schedule(request.module, trace, trusted=True)  # this is the child to crash
            row = family.extract([schedule], context)[0]
        except BadInputError as error:
            send(Reply(cause=str(error)))
        except Exception as error:
            send(Reply(cause=f"{type(error).__name__}: {error}"[:300]))
        else:
            failed = bool(row[0] != row[0])  # NaN
            send(Reply(cause="the schedule cannot be featurised") if failed else Reply(row=row.tobytes()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
