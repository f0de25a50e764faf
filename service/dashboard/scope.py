"""What the filters of a page mean in a store: a workload, a target, and the one pool that a view of trials is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from service.dashboard.panel import Filters, Panel
from tunedb.errors import UsageError
from tunedb.program.targets import target_label
from tunedb.records import DEFAULT_CONDITIONS, Hardware, PoolSummary, Target, WorkloadSummary
from tunedb.store.contract import Store
from tunedb.units import count

_FEW = 8  # hex digits of an id that people are shown


@dataclass(frozen=True, slots=True)
class Scope:
    """A workload on one target and machine: trials that can be compared."""

    workload: WorkloadSummary
    target: Target
    hardware: Hardware
    pool: PoolSummary
    others: int  # pools of the workload besides

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.workload.name} on {target_label(self.target)}, {machine_label(self.hardware)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a view of it leaves out."""
        found = []
        if self.pool.num_failed:
            found.append(f"{count(self.pool.num_failed, 'failed trial')} of {self.pool.num_trials} left out.")
        if self.others:
            more = "targets, machines and conditions"
            found.append(f"The workload was measured on other {more}, too ({self.others}); set the target to see them.")
        return tuple(found)


def telling(build: Callable[[Store, Filters], list[Panel]], *uses: str) -> Callable[[Store, Filters], list[Panel]]:
    """A view's `build` whose panels say which of the filters that are set do not narrow them.

    Args:
        build: makes the panels.
        uses: names of the filters that do.
    """

    def built(store: Store, filters: Filters) -> list[Panel]:
        panels = build(store, filters)
        unused = [name for name, _ in filters.items() if name not in uses]
        if not unused:
            return panels
        note = f"Not narrowed by the {'filter' if len(unused) == 1 else 'filters'} {' and '.join(unused)}."
        return [replace(panel, notes=(*panel.notes, note)) for panel in panels]

    return built


def required(value: str | None, name: str) -> str:
    """A filter's value.

    Raises:
        UsageError: it is not set.
    """
    if not value:
        raise UsageError(f"this view needs the filter {name!r}")
    return value


def workload_of(store: Store, filters: Filters) -> WorkloadSummary:
    """The workload that a page is about.

    Raises:
        UsageError: none is named.
        NotFoundError: the store does not have it.
        AmbiguousPrefixError: more than one is meant.
    """
    return store.resolve_workload(required(filters.workload, "workload"))


def target_id_of(store: Store, filters: Filters) -> str | None:
    """The id of the target that a page is about; None: all of them."""
    return None if filters.target is None else store.resolve_target(filters.target).target_id


def scope_of(store: Store, filters: Filters) -> Scope | None:
    """The pool that a page is about: of those that fit, that with the most good trials under default conditions.

    Args:
        store: the store.
        filters: name the workload, and perhaps the target.

    Returns:
        The pool; None where no trial of the workload fits.

    Raises:
        UsageError: no workload is named.
        NotFoundError: the store has not what is named.
        AmbiguousPrefixError: more than one is meant.
    """
    workload = workload_of(store, filters)
    target_id = target_id_of(store, filters)
    every = store.pool_summaries([workload.workload_id])
    fitting = [row for row in every if target_id in (None, row.target_id)]
    if not fitting:
        return None
    pool = max(fitting, key=lambda row: (row.conditions == DEFAULT_CONDITIONS, row.num_trials - row.num_failed))
    return Scope(
        workload,
        next(row for row in store.targets() if row.target_id == pool.target_id),
        next(row for row in store.hardware() if row.hardware_id == pool.hardware_id),
        pool,
        len(every) - 1,
    )


def machine_label(hardware: Hardware) -> str:
    """A machine's name; of one that nobody told, the beginning of its id."""
    return hardware.name if hardware.name != "unknown" else f"unknown machine {hardware.hardware_id[:_FEW]}"


def in_quotes(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
