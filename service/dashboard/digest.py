"""What a store holds, counted once for all views: kept until the store has another version."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from service.dashboard.remembered import Remembered
from tunedb.query.runs import TuningRun, read_run
from tunedb.records import Hardware, Source, Target, TrialGroup
from tunedb.store.contract import Store


@dataclass(frozen=True, slots=True)
class Named:
    """A workload as lists show it."""

    name: str
    family: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A store's trials by group, and what these refer to, by id."""

    groups: tuple[TrialGroup, ...]
    workloads: Mapping[str, Named]
    targets: Mapping[str, Target]
    hardware: Mapping[str, Hardware]
    sources: Mapping[str, Source]  # the oldest first

    def names(self) -> dict[str, str]:
        """The workloads' names by id."""
        return {workload_id: named.name for workload_id, named in self.workloads.items()}


_LOCK = threading.Lock()
_KEPT: WeakKeyDictionary[Store, tuple[str, Digest]] = WeakKeyDictionary()
_ON_DISK: WeakKeyDictionary[Store, Remembered] = WeakKeyDictionary()
_MANY = 100_000  # trials, from which on counting takes longer than reading what was counted


def remember(store: Store, folder: Path) -> None:
    """Has the first digest of a store that is made from now on kept on disk, and read if it was.

    Args:
        store: the store.
        folder: for the digests of all stores.
    """
    _ON_DISK[store] = Remembered(folder, store)


def digest(store: Store) -> Digest:
    """The digest of a store as it stands.

    Raises:
        StoreError: it cannot be read.
    """
    with _LOCK:  # who comes meanwhile waits, and finds it made
        version = store.version()
        known, made = _KEPT.get(store, ("", None))
        if made is not None and known == version:
            return made
        on_disk = _ON_DISK.pop(store, None)
        made = on_disk.read(version, Digest) if on_disk is not None else None
        if made is None:
            made = _counted(store)
            if on_disk is not None and sum(row.num_trials for row in made.groups) >= _MANY:
                on_disk.write(version, made)
        _KEPT[store] = (version, made)
        return made


def _counted(store: Store) -> Digest:
    named = store.sql("SELECT workload_id, min(name), min(family) FROM workloads GROUP BY workload_id").rows
    return Digest(
        tuple(store.trial_groups()),
        {row[0]: Named(row[1], row[2]) for row in named},
        {row.target_id: row for row in store.targets()},
        {row.hardware_id: row for row in store.hardware()},
        {row.source_id: row for row in store.sources()},
    )


def run_of(store: Store, source: Source) -> TuningRun:
    """A run with all its trials; the digest knows which workloads they are of.

    Raises:
        NotFoundError: nothing of it is stored.
        StoreError: the store cannot be read.
    """
    return read_run(
        store, source, {row.workload_id for row in digest(store).groups if row.source_id == source.source_id}
    )
