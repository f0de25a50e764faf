"""What the child processes of `costmodels.extraction.extract` do: replay traces and extract features.

To each request they reply once when the module is loaded, then once per trace; a module that cannot be loaded is
answered by its cause alone.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def extract_each(requests: Iterator[Request]) -> Iterator[Reply]:
    """Extracts the features of all trials of each request, one after the other."""
    for request in requests:
        yield from _replies(request)


def _replies(request: Request) -> Iterator[Reply]:
    try:
        from tvm.s_tir import meta_schedule as ms

        from costmodels import features
        from tunedb.metaschedule import intrinsics, replay

        intrinsics.register_for(request.target.kind, request.target.keys)
        module = replay.load_module(request.module)
        family = features.family(request.feature_version)
        context = ms.TuneContext(mod=module, target=replay.target_to_tvm(request.target), num_threads=1)
    except Exception as error:
        yield Reply(cause=str(error).strip()[:300] or type(error).__name__)
        return
    yield Reply()
    if family.NEEDS is features.Needs.WORKLOAD:  # the same for all, whether they can be replayed or not
        for row in family.extract(request.traces, context):
            yield Reply(row=row.tobytes()) if row[0] == row[0] else Reply(cause="the workload cannot be described")
        return
    for trace in request.traces:
        try:
            schedule = replay.schedule(request.module, trace, trusted=True)  # this is the child to crash
            row = family.extract([schedule], context)[0]
        except BadInputError as error:
            yield Reply(cause=str(error))
        except Exception as error:
            yield Reply(cause=f"{type(error).__name__}: {error}"[:300])
        else:
            failed = bool(row[0] != row[0])  # NaN
            yield Reply(cause="the schedule cannot be featurised") if failed else Reply(row=row.tobytes())
