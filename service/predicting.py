"""What a model believes of candidates. Traces are replayed in a child process of their own, never in this one.

Each request with traces has a new child, which may take so much memory and time and no more, and ends with it. So
nothing that one client's traces did to it is there for the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from costmodels.extraction.child import Reply, Request, extract_each
from costmodels.kinds import of_kind
from costmodels.registry.choose import LoadedModel, load_model
from tunedb.errors import BadInputError, ChildDiedError, ModelError, NotFoundError, StoreAwayError, UsageError
from tunedb.processes import Child
from tunedb.processes.child import Limits
from tunedb.records import Module, Target, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunedb.store.contract import Store

MOST_TRACES = 128
MOST_ROWS = 10_000
_LIMITS = Limits(memory_bytes=8 << 30, cpu_secs=120)
_LOAD_SECS, _TRACE_SECS = 120.0, 20.0
_AT_ONCE = threading.BoundedSemaphore(2)  # children

Number = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Candidates of one workload: their features, or their traces with the workload that they are of."""

    target: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    features: Annotated[list[list[Number]], msgspec.Meta(min_length=1, max_length=MOST_ROWS)] | None = None
    traces: Annotated[list[list[Any]], msgspec.Meta(min_length=1, max_length=MOST_TRACES)] | None = None
    workload: Annotated[str, msgspec.Meta(max_length=128)] = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What is believed of n candidates."""

    loaded: LoadedModel
    target: Target
    feature_version: str
    mean: NDArray[np.float64]  # [n] nats; NaN where there is a cause
    std: NDArray[np.float64]  # [n]
    causes: list[str]  # n; "" where all went well

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        rows = zip(self.mean.tolist(), self.std.tolist(), self.causes, strict=True)
        return {
            "model": self.loaded.manifest.name,
            "bundled": self.loaded.is_bundled,
            "target_id": self.target.target_id,
            "trained_on_target_id": self.loaded.trained_on.target_id,
            "feature_version": self.feature_version,
            "predictions": [
                {"mean": None, "std": None, "error": cause} if cause else {"mean": mean, "std": std, "error": None}
                for mean, std, cause in rows
            ],
        }


def predicted(store: Store, asked: PredictRequest, depth: int) -> Predicted:
    """What the model of a target, the promoted one where there is one, says of candidates.

    Args:
        store: the store that has the target, its models, and the workload of traces.
        asked: the candidates.
        depth: how deep traces may be nested.

    Raises:
        UsageError: there are both features and traces, or neither, or traces without a workload.
        BadInputError: the features are not as many as the model takes.
        NotFoundError: there is no such target or workload, or no model predicts for it.
        StoreAwayError: other traces are being replayed: try again.
    """
    if (asked.features is None) is (asked.traces is None):
        raise UsageError("a prediction is of features or of traces")
    target = store.resolve_target(asked.target)
    loaded = load_model(store, target.target_id, kind=target.kind)
    if loaded is None:
        raise NotFoundError(f"no model predicts for {target.text}", kind="model", asked=asked.target[:80])
    family = of_kind(target.kind).features
    if asked.features is not None:
        width = len(family.names())
        for place, row in enumerate(asked.features):
            if len(row) != width:
                raise BadInputError(f"row {place} has {len(row)} features; {family.FEATURE_VERSION} has {width}")
        rows, causes = np.array(asked.features, dtype=np.float64), [""] * len(asked.features)
    else:
        rows, causes = _replayed(store, asked, target, family.FEATURE_VERSION, len(family.names()), depth)
    mean, std = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    good = np.array([not cause for cause in causes])
    if good.any():
        try:
            believed = loaded.model.predict(rows[good])
        except ModelError as error:
            raise BadInputError(f"the model {loaded.manifest.name} cannot predict of these: {error}") from error
        mean[good], std[good] = believed.mean, believed.std
    causes = [cause or ("" if np.isfinite(mean[place]) else "no number") for place, cause in enumerate(causes)]
    return Predicted(loaded, target, family.FEATURE_VERSION, mean, std, causes)


def _replayed(
    store: Store, asked: PredictRequest, target: Target, feature_version: str, width: int, depth: int
) -> tuple[NDArray[np.float64], list[str]]:
    """The features [n, d] of traces, and why some have none."""
    traces = [_trace(place, told, depth) for place, told in enumerate(asked.traces or ())]
    if not asked.workload:
        raise UsageError("traces take the workload that they are of")
    modules = store.modules(store.resolve_workload(asked.workload).workload_id)
    if not modules:
        raise NotFoundError("the module of the workload is lost", kind="module", asked=asked.workload[:80])
    rows, causes = np.zeros((len(traces), width)), [""] * len(traces)
    with _child() as child:
        place = 0
        while place < len(traces):
            place = _extract(child, modules[0], target, traces, feature_version, place, rows, causes)
    return rows, causes


def _extract(
    child: Child[Request, Reply],
    module: Module,
    target: Target,
    traces: list[Trace],
    feature_version: str,
    place: int,
    rows: NDArray[np.float64],
    causes: list[str],
) -> int:
    """Goes on at a place until all is done, or a trace ends the child; gives the place to go on at."""
    loaded = False
    try:
        child.send(Request(module, target, traces[place:], feature_version), _LOAD_SECS)
        cause = child.receive(_LOAD_SECS).cause
        if not cause:
            loaded = True
            while place < len(traces):
                reply = child.receive(_TRACE_SECS)
                if reply.cause:
                    causes[place] = reply.cause
                else:
                    rows[place] = np.frombuffer(reply.row, dtype=np.float64)
                place += 1
            return place
    except ChildDiedError as error:
        if loaded:
            causes[place] = str(error)
            return place + 1
        cause = str(error)
    causes[place:] = [f"nothing can be replayed here: {cause}"] * (len(traces) - place)
    return len(traces)


@contextmanager
def _child() -> Iterator[Child[Request, Reply]]:
    if not _AT_ONCE.acquire(blocking=False):
        raise StoreAwayError("other traces are being replayed: try again", retry_after_secs=2.0)
    try:
        child = Child(extract_each, Request, Reply, limits=_LIMITS, is_silent=True)
        try:
            yield child
        finally:
            child.close()
    finally:
        _AT_ONCE.release()


def _trace(place: int, told: list[Any], depth: int) -> Trace:
    if len(told) != 2 or not all(isinstance(part, list) for part in told):
        raise BadInputError(f"trace {place} is not [instructions, decisions]")
    if _depth(told, depth) > depth:
        raise BadInputError(f"trace {place} is nested more than {depth} deep")
    return Trace(msgspec.json.encode(told[0]), msgspec.json.encode(told[1]))


def _depth(told: Any, most: int) -> int:
    """How deep something is nested, as far as anybody wants to know."""
    level, here = 0, [told]
    while here and level <= most:
        here = [
            part
            for one in here
            if isinstance(one, list | dict)
            for part in (one if isinstance(one, list) else one.values())
        ]
        level += 1
    return level
