"""What became of a run's candidates, and how busy its machine was, stored with the run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from search.report import TuneReport
from tunedb.errors import BadInputError, NotFoundError, StoreAwayError
from tunedb.store.contract import Store

_LOG = logging.getLogger(__name__)

_FOLDER = "runs"


class TaskFunnel(msgspec.Struct, frozen=True, kw_only=True):
    """Of one task of a run; what its strategy cannot tell is None."""

    name: str
    workload_hash: str
    sampled: int | None = None  # candidates that were replayed
    refused: Mapping[str, int] | None = None  # of these, by what refused them: a postprocessor's name
    valid: int | None = None
    built: int
    ran: int


def funnels_of(report: TuneReport) -> list[TaskFunnel]:
    """What became of the candidates of each of a run's tasks."""
    return [
        TaskFunnel(
            name=task.name,
            workload_hash=task.workload_hash,
            sampled=None if task.funnel is None else task.funnel.sampled,
            refused=None if task.funnel is None else dict(task.funnel.refused),
            valid=None if task.funnel is None else task.funnel.valid,
            built=task.built,
            ran=task.trials - task.failed,
        )
        for task in report.tasks
    ]


def keep(store: Store, report: TuneReport) -> None:
    """Stores what became of a run's candidates, and how busy its machine was.

    While a service that keeps the store is away, they are not stored; the run's trials are.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        store.artifacts.write(_name(report.source_id), msgspec.json.encode(funnels_of(report)))
        if report.machine is not None:
            store.artifacts.write(_machine_name(report.source_id), msgspec.json.encode(report.machine))
    except StoreAwayError as error:
        _LOG.warning("what became of the run's candidates is not stored: %s", error)


def kept(store: Store, source_id: str) -> list[TaskFunnel]:
    """What a store knows of a run's candidates, by its source; nothing of runs before this was stored.

    Raises:
        BadInputError: What is stored is not what was written.
        StoreError: The store cannot be read.
    """
    try:
        return msgspec.json.decode(store.artifacts.read(_name(source_id)), type=list[TaskFunnel])
    except NotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{store.artifacts.location(_name(source_id))}: {error}") from error


def kept_machine(store: Store, source_id: str) -> dict[str, Any] | None:
    """How busy the machine of a run was, by its source (`search.measure.surroundings`); None where nobody told.

    Raises:
        BadInputError: What is stored is not what was written.
        StoreError: The store cannot be read.
    """
    try:
        return msgspec.json.decode(store.artifacts.read(_machine_name(source_id)), type=dict[str, Any])
    except NotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{store.artifacts.location(_machine_name(source_id))}: {error}") from error


def _machine_name(source_id: str) -> str:
    return f"{_FOLDER}/{source_id}-machine.json"


def _name(source_id: str) -> str:
    return f"{_FOLDER}/{source_id}.json"
