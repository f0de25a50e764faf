"""What was stored with a run of how its machine was: where it measured, and how busy the machine was meanwhile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from search.funnels import kept_machine
from tunedb.errors import BadInputError
from tunedb.machine.topology import numbers
from tunedb.query.runs import TuningRun
from tunedb.store.contract import Store
from tunedb.units import count

_SANE = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?){0,63}")  # a run may come from anywhere


def machine_facts(store: Store, run: TuningRun) -> tuple[tuple[str, str], ...]:
    """Names and values, for people; nothing of runs that did not store it.

    Args:
        store: the store that has the run.
        run: the run.

    Raises:
        StoreError: the store cannot be read.
    """
    try:
        told = kept_machine(store, run.source.source_id)
    except BadInputError as error:
        return (("how the machine was", f"cannot be read: {error}"),)
    if told is None:  # the run goes on, or was killed: what it said at its beginning is left
        began = run.detail.get("machine")
        told = began if isinstance(began, dict) else None
    if told is None:
        return ()
    return (("processors", _processors(told)), ("how the machine was", _busy(told)))


def _processors(told: Mapping[str, Any]) -> str:
    """Which processors it had, and what may surprise about them."""
    chosen, nodes = str(told.get("processors", "")), str(told.get("nodes", ""))
    cores = told.get("cores")
    found = chosen or "unknown"
    if isinstance(cores, int) and cores:
        found += f" on {count(cores, 'core')}"
        found += ": some are threads of one core (SMT)" if _how_many(chosen) > cores else ""
    if nodes:
        several = _how_many(nodes) > 1
        found += (
            f"; NUMA nodes {nodes}: memory of one is further from the others" if several else f"; NUMA node {nodes}"
        )
    return found


def _how_many(listed: str) -> int:
    """How many numbers a list as the system writes it has; 0 of one that no system wrote."""
    return len(numbers(listed)) if _SANE.fullmatch(listed) else 0


def _busy(told: Mapping[str, Any]) -> str:
    """The signs that it was busy with something else, before and during the run."""
    if "busy_before" not in told:
        average = told.get("load_average")
        is_told = isinstance(average, int | float)
        return f"load average {average:.1f} at the beginning; no more was told" if is_told else "not told"
    before, during = (_texts(told.get(key)) for key in ("busy_before", "busy_during"))
    parts = []
    if before:
        parts.append(f"busy before: {'; '.join(before)}")
    if during:
        parts.append(f"busy during: {'; '.join(during)}")
    slower = told.get("kernel_times_its_best")
    if not parts:
        quiet = "no sign that it was busy with anything else"
        is_told = isinstance(slower, int | float)
        return f"{quiet}; the reference kernel took {slower:.2f} times its best at most" if is_told else quiet
    return ". ".join(parts)


def _texts(told: object) -> list[str]:
    return [str(one) for one in told] if isinstance(told, list) else []
