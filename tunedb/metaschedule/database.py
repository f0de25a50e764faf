"""The store as a MetaSchedule database, which `tunedb.tvm_database` returns. Importing this module imports TVM."""

from __future__ import annotations

import json
import logging
import statistics
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.database import PyDatabase, TuningRecord
from tvm.s_tir.meta_schedule.database import Workload as TvmWorkload

from tunedb import identity
from tunedb.errors import BadInputError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.metaschedule.convert import (
    load_module,
    plain,
    replay,
    target_from_tvm,
    target_to_tvm,
    trial_from_measurement,
    workload_from_module,
)
from tunedb.metaschedule.probe import probe
from tunedb.metaschedule.upgrade import block_names, upgraded
from tunedb.records import Module, Outcome, Source, Target, Trace, Trial
from tunedb.store.contract import Store
from tunedb.store.opening import open_store
from tunedb.traces import validated_trace

_LOG = logging.getLogger(__name__)
_EQUALITIES = ("structural", "ignore-tensor", "anchor-block")
_EMPTY_TRACE = Trace(b"[]", b"[]")


def tvm_database(store: Store | str | Path, target: object = None, *, module_equality: str = "structural") -> Any:
    """A MetaSchedule database over a store: `with target, tunedb.tvm_database(store, target): ...`.

    It answers with the records of one target only, and can be tuned into by several processes at once.

    Args:
        store: the store, or its folder or URL.
        target: the target, as a `tvm.target.Target`, a dict, JSON or a tag; None takes the one that is current when
            the database is asked.
        module_equality: the modules that a query finds, as stock has it: "structural", "ignore-tensor" (constants may
            differ) or "anchor-block" (only the most expensive block must be equal). What is committed, and what a
            search starts from, always belongs to the very module: a trace of another may not replay on it.

    Returns:
        A `tvm.s_tir.meta_schedule.database.Database`.

    Raises:
        UsageError: there is no such module equality.
    """
    if module_equality not in _EQUALITIES:
        raise UsageError(f"no module equality {module_equality!r}; there are {', '.join(_EQUALITIES)}")
    opened = store if isinstance(store, Store) else open_store(store)
    return StoreDatabase(opened, None if target is None else target_from_tvm(target), module_equality)


@derived_object
class StoreDatabase(PyDatabase):  # type: ignore[misc]
    """All nine methods of a MetaSchedule database, for the records of one target.

    Records whose modules this TVM cannot load, and traces that do not replay, are passed over with a warning.
    """

    def __init__(self, store: Store, target: Target | None, module_equality: str = "structural") -> None:
        super().__init__()
        self._module_equality = module_equality
        self._store = store
        self._target = target
        self._lock = threading.Lock()
        self._hardware = this_machine()
        self._source: Source | None = None
        self._committed = 0
        self._rows: dict[str, list[tuple[Module, Any]]] = {}  # by structural hash: our row and TVM's workload
        self._own_sources: set[str] = set()

    # -- workloads -------------------------------------------------------------------------------------------------

    def has_workload(self, mod: Any) -> bool:
        """Whether the store has the module."""
        return bool(self._matching_rows(mod))

    def commit_workload(self, mod: Any) -> Any:
        """Puts the module into the store if it is not there."""
        equal = self._equal_rows(mod)
        if equal:
            return equal[0][1]
        ours, row = workload_from_module(mod)
        self._store.append([], workloads=[ours], modules=[row])
        committed = TvmWorkload(mod)
        self._rows.setdefault(row.structural_hash, []).append((row, committed))
        return committed

    def _equal_rows(self, mod: Any) -> list[tuple[Module, Any]]:
        """The store's modules that are structurally equal to this one, the same text first."""
        structural_hash = str(tvm_ffi.structural_hash(mod) % (1 << 64))
        rows = self._rows.setdefault(structural_hash, [])
        known = {row.module_id for row, _ in rows}
        for row in self._store.modules_hashed(structural_hash):
            if row.module_id in known:
                continue
            try:
                rows.append((row, TvmWorkload(self._module(row, mod))))
            except BadInputError as error:
                _LOG.warning("passed over: %s", error)
        return [(row, workload) for row, workload in rows if tvm_ffi.structural_equal(workload.mod, mod)]

    def _matching_rows(self, mod: Any) -> list[tuple[Module, Any]]:
        """The store's modules that are equal to this one as the database was asked to see it."""
        if self._module_equality == "structural":
            return self._equal_rows(mod)
        from tvm.s_tir.meta_schedule.database import MemoryDatabase

        asked = MemoryDatabase(module_equality=self._module_equality)  # stock's own comparison, one pair at a time
        asked.commit_workload(mod)
        return [(row, workload) for row, workload in self._all_rows() if asked.has_workload(workload.mod)]

    def _all_rows(self) -> list[tuple[Module, Any]]:
        """Every module of the store that this TVM can load; each is loaded once."""
        for summary in self._store.workloads():
            if str(tvm.__version__) not in summary.tvm_versions:
                continue
            for row in self._store.modules(summary.workload_id):
                rows = self._rows.setdefault(row.structural_hash, [])
                if row.tvm_version != str(tvm.__version__) or any(
                    row.module_id == known.module_id for known, _ in rows
                ):
                    continue
                try:
                    probe(row, _EMPTY_TRACE)
                    rows.append((row, TvmWorkload(load_module(row))))
                except BadInputError as error:
                    _LOG.warning("passed over: %s", error)
        return [pair for rows in self._rows.values() for pair in rows]

    def _module(self, row: Module, mod: Any) -> Any:
        if row.tvm_version == str(tvm.__version__) and workload_from_module(mod)[1].module_id == row.module_id:
            return mod  # the same text: nothing foreign to be parsed
        probe(row, _EMPTY_TRACE)
        return load_module(row)

    # -- records ---------------------------------------------------------------------------------------------------

    def commit_tuning_record(self, record: Any) -> None:
        """Appends a measured record to the store; one of another target than this database's too."""
        target = target_from_tvm(record.target) if record.target is not None else self._asked_target(None)
        workload, row = workload_from_module(record.workload.mod)
        run_secs = [float(plain(secs)) for secs in record.run_secs or ()]
        with self._lock:
            if self._source is None:
                self._source = identity.source(f"tune:{uuid.uuid4().hex}", "tune", {"by": "tvm_database"})
                self._own_sources.add(self._source.source_id)
            position, self._committed = self._committed, self._committed + 1
        trial = trial_from_measurement(
            row,
            target,
            self._hardware,
            self._source,
            position=position,
            trace=record.trace,
            run_secs=run_secs,
            args_info=list(record.args_info or ()),
        )
        self._store.append(
            [trial],
            workloads=[workload],
            modules=[row],
            targets=[target],
            hardware=[self._hardware],
            sources=[self._source],
        )

    def get_top_k(self, workload: Any, top_k: int) -> list[Any]:
        """The `top_k` fastest records of the module on this database's target, by mean run time as stock has it."""
        return self._top(self._equal_rows(workload.mod), int(top_k), self._asked_target(None))

    def get_all_tuning_records(self) -> list[Any]:
        """All good records of this database's target that replay here."""
        target = self._asked_target(None)
        found = []
        for alike in self._alike(target):
            for trial in self._store.trials(target_id=alike.target_id, outcome=Outcome.OK):
                if not trial.module_id:
                    continue
                row = self._store.module(trial.module_id)
                record = self._record(trial, row, alike, None)
                if record is not None:
                    found.append(record)
        return found

    def __len__(self) -> int:
        wanted = {target.target_id for target in self._alike(self._asked_target(None))}
        return sum(row.num_trials for row in self._store.target_summaries() if row.target.target_id in wanted)

    # -- queries ---------------------------------------------------------------------------------------------------

    def query_tuning_record(self, mod: Any, target: Any, workload_name: str | None = None) -> Any:
        """The fastest record of the module for a target; None if there is none."""
        del workload_name  # a module is known by what it is
        found = self._top(self._matching_rows(mod), 1, self._asked_target(target))
        return found[0] if found else None

    def query_schedule(self, mod: Any, target: Any, workload_name: str | None = None) -> Any:
        """The schedule of the fastest record; None if there is none."""
        from tvm.s_tir.schedule import Schedule

        record = self.query_tuning_record(mod, target, workload_name)
        if record is None:
            return None
        schedule = Schedule(record.workload.mod, seed=1, debug_mask=0, error_render_level="none")
        record.trace.apply_to_schedule(schedule, remove_postproc=False)
        return schedule

    def query_ir_module(self, mod: Any, target: Any, workload_name: str | None = None) -> Any:
        """The scheduled module of the fastest record; None if there is none."""
        schedule = self.query_schedule(mod, target, workload_name)
        return None if schedule is None else schedule.mod

    def _top(self, rows: Sequence[tuple[Module, Any]], top_k: int, target: Target) -> list[Any]:
        if top_k <= 0 or not rows:
            return []
        trials: list[tuple[Trial, Module, Any, Target]] = []
        for alike in self._alike(target):
            for row, workload in rows:
                best = self._store.best(row.workload_id, alike.target_id, 2 * top_k + 8, module_id=row.module_id)
                best += self._best_of_older_releases(row, alike, 2 * top_k + 8)
                trials.extend((trial, row, workload, alike) for trial in best)
        trials.sort(key=lambda found: (statistics.fmean(found[0].run_secs), found[0].position))
        records = []
        for trial, row, workload, alike in trials:
            record = self._record(trial, row, alike, workload)
            if record is not None:
                records.append(record)
            if len(records) == top_k:
                break
        return records

    def _best_of_older_releases(self, row: Module, target: Target, limit: int) -> list[Trial]:
        """The best that older releases of TVM have recorded of the same workload, their traces brought up to date."""
        found: list[Trial] = []
        for old in self._store.modules(row.workload_id):
            if old.tvm_version == row.tvm_version:
                continue
            try:
                names = block_names(old, row)
                best = self._store.best(row.workload_id, target.target_id, limit, module_id=old.module_id)
                found += [replace(trial, trace=upgraded(trial.trace, names)) for trial in best]
            except BadInputError as error:
                _LOG.warning(
                    "what TVM %s recorded of workload %s is passed over: %s", old.tvm_version, row.workload_id, error
                )
        return found

    def _alike(self, target: Target) -> list[Target]:
        """The target, and for a GPU those of the store that differ in the host only: it compiles no kernel."""
        if target.kind in ("llvm", "c"):
            return [target]
        device = _without_host(target)
        others = [row for row in self._store.targets() if row.kind == target.kind and _without_host(row) == device]
        return [target, *(row for row in others if row.target_id != target.target_id)]

    def _record(self, trial: Trial, row: Module, target: Target, workload: Any) -> Any:
        try:
            decoded = validated_trace(trial.trace)
            if trial.module_id != row.module_id or trial.source_id not in self._trusted_sources(trial.source_id):
                probe(row, trial.trace)
            if workload is None:
                workload = TvmWorkload(load_module(row))
            schedule = replay(workload.mod, decoded)
        except BadInputError as error:
            _LOG.warning("trial %s is passed over: %s", trial.trial_id, error)
            return None
        args = json.loads(trial.args_info)
        return TuningRecord(schedule.trace, workload, list(trial.run_secs), target_to_tvm(target), _args(args))

    def _trusted_sources(self, source_id: str) -> set[str]:
        """The sources whose records this store's own tuning runs wrote."""
        if source_id not in self._own_sources:
            self._own_sources.update(row.source_id for row in self._store.sources() if row.format == "tune")
        return self._own_sources

    def _asked_target(self, target: Any) -> Target:
        if target is not None:
            return target_from_tvm(target)
        if self._target is not None:
            return self._target
        current = tvm.target.Target.current(allow_none=True)
        if current is None:
            raise UsageError("the database was made without a target, and none is current")
        return target_from_tvm(current)


def _without_host(target: Target) -> dict[str, Any]:
    return {name: value for name, value in json.loads(target.text).items() if name != "host"}


def _args(described: Any) -> list[Any]:
    from tvm.s_tir.meta_schedule.arg_info import ArgInfo

    return [ArgInfo.from_json(arg) for arg in described]
