"""Questions that people and scripts ask: the documents are those that the command prints with `--json`."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.kept import NotKeptError
from service.openapi import DOCUMENT
from service.replies import PROBLEMS, document
from service.state import sender_of, service_of
from tunedb.documents import answers
from tunedb.errors import UsageError
from tunedb.identity import canonical_conditions
from tunedb.query.best import Best, best
from tunedb.query.comparison import compare
from tunedb.query.convergence import convergence
from tunedb.query.description import WorkloadDescription, describe
from tunedb.query.target_groups import target_groups
from tunedb.records import DEFAULT_CONDITIONS

router = APIRouter(responses={**PROBLEMS, 200: DOCUMENT})

Prefix = Annotated[str, Query(min_length=1, max_length=128)]
TargetText = Annotated[str | None, Query(max_length=4096, description="An id's prefix, an arch, or a target's JSON.")]
Top = Annotated[int, Query(ge=1, le=100, description="How many records of each target.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="How many at once.")]
Cursor = Annotated[str, Query(max_length=512, description="The `next` of the page before.")]


@router.get("/v1/best/{workload}")
async def fastest(
    request: Request,
    workload: str,
    target: TargetText = None,
    top: Top = 1,
    conditions: Annotated[str, Query(max_length=1024)] = "{}",
    trusted: Annotated[bool, Query(description="Leave out what only one other sender has measured.")] = False,
) -> Response:
    """The fastest records of a workload, each target by itself, as `tunedb best` has them."""
    under, reader = canonical_conditions(conditions), sender_of(request)
    service = service_of(request)
    index = service.index if under == DEFAULT_CONDITIONS and not trusted else None

    def ask() -> list[Best]:
        if index is not None:
            index.learn(workload, target)
            with suppress(NotKeptError):
                return index.best(workload, target, top, reader)
        return best(service.store, workload, target, top, under, trusted=trusted, reader=reader)

    found: list[Best] = []
    if index is not None and index.is_current:
        with suppress(NotKeptError):  # here and now: a thread of its own would wait for others
            found = index.best(workload, target, top, reader)
    return document(request, answers.best(found or await run_in_threadpool(ask)))


@router.get("/v1/workloads")
def workloads(request: Request, limit: Limit = 1_000, cursor: Cursor = "") -> Response:
    """What has been tuned, by name. `next` is the cursor of the next page; null on the last."""
    after = _after(cursor)
    rows = [row for row in service_of(request).store.workloads() if (row.name, row.workload_id) > after]
    page = rows[:limit]
    more = _cursor(page[-1].name, page[-1].workload_id) if len(rows) > limit else None
    return document(request, {**answers.workloads(page), "next": more})


@router.get("/v1/targets")
def targets(request: Request) -> Response:
    """What was tuned for, and on which machines."""
    return document(request, answers.targets(target_groups(service_of(request).store)))


@router.get("/v1/history")
def history(request: Request, workload: Prefix, target: TargetText = None) -> Response:
    """How a workload's best fell, source by source."""
    return document(request, answers.convergence(convergence(service_of(request).store, workload, target)))


@router.get("/v1/compare")
def side_by_side(request: Request, workload: Annotated[list[str] | None, Query(max_length=100)] = None) -> Response:
    """Workloads on several targets and machines; all that have several, where none is named."""
    store = service_of(request).store
    wanted = [store.resolve_workload(prefix).workload_id for prefix in workload or ()]
    return document(request, answers.comparison(compare(store, wanted or None)))


@router.get("/v1/stats")
def stats(request: Request) -> Response:
    """How much the store holds."""
    return document(request, {**answers.stats(service_of(request).store.stats(), []), "store": ""})


@router.get("/v1/show/{prefix}")
def show(request: Request, prefix: str) -> Response:
    """Everything that is known of a workload, or of one record."""
    store = service_of(request).store
    found = describe(store, prefix)
    if isinstance(found, WorkloadDescription):
        return document(request, answers.workload_description(found))
    from tunedb.metaschedule.upgrade import hindrance

    return document(request, answers.record_description(found, hindrance(store, found.trial)))


def _cursor(*key: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode()


def _after(cursor: str) -> tuple[str, str]:
    """The key that a page begins behind.

    Raises:
        UsageError: no page has such a cursor.
    """
    if not cursor:
        return ("", "")
    try:
        return msgspec.json.decode(base64.b64decode(cursor, altchars=b"-_", validate=True), type=tuple[str, str])
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{cursor[:40]!r} is the cursor of no page") from error
