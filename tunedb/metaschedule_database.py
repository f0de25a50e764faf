"""The store as a MetaSchedule database: what `tunedb.tvm_database` returns. Importing this imports TVM."""

from __future__ import annotations

import json
import logging
import math
import statistics
import threading
import uuid
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.database import PyDatabase, TuningRecord
from tvm.s_tir.meta_schedule.database import Workload as TvmWorkload

from tunedb import identity
from tunedb.errors import BadInputError, UsageError
from tunedb.hardware import this_machine
from tunedb.opening import open_store
from tunedb.records import Outcome, Source, Target, Trace, Trial, Workload
from tunedb.replaying import probe
from tunedb.store import Store
from tunedb.traces import validated_trace
from tunedb.tvm_objects import (
    load_module,
    plain,
    replay,
    target_from_tvm,
    target_to_tvm,
    trial_from_measurement,
    workload_from_module,
)

_LOG = logging.getLogger(__name__)
_FAILED_SECS = 1e9  # MetaSchedule reports a failed trial as a run of 1e10 seconds
_EMPTY_TRACE = Trace(b"[]", b"[]")


def tvm_database(store: Store | str | Path, target: object = None) -> Any:
    """A MetaSchedule database over a store: `with target, tunedb.tvm_database(store, target): ...`.

    It answers with the records of one target only, and can be tuned into by several processes at once.

    Args:
        store: a store, or the folder or URL of one.
        target: a `tvm.target.Target`, a dict, JSON or a tag; None takes the one that is current when it is asked.

    Returns:
        A `tvm.s_tir.meta_schedule.database.Database`.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    return StoreDatabase(opened, None if target is None else target_from_tvm(target))


@derived_object
class StoreDatabase(PyDatabase):  # type: ignore[misc]
    """All nine methods of a MetaSchedule database, for the records of one target.

    Records whose modules this TVM cannot load, and traces that do not replay, are passed over with a warning.
    """

    def __init__(self, store: Store, target: Target | None) -> None:
        super().__init__()
        self._store = store
        self._target = target
        self._lock = threading.Lock()
        self._hardware = this_machine()
        self._source: Source | None = None
        self._committed = 0
        self._rows: dict[str, list[tuple[Workload, Any]]] = {}  # by structural hash: our row and TVM's workload
        self._own_sources: set[str] = set()

    # -- workloads -------------------------------------------------------------------------------------------------

    def has_workload(self, mod: Any) -> bool:
        """Whether the store has the module."""
        return bool(self._equal_rows(mod))

    def commit_workload(self, mod: Any) -> Any:
        """Puts the module into the store if it is not there."""
        equal = self._equal_rows(mod)
        if equal:
            return equal[0][1]
        row = workload_from_module(mod)
        self._store.append([], workloads=[row])
        committed = TvmWorkload(mod)
        self._rows.setdefault(row.structural_hash, []).append((row, committed))
        return committed

    def _equal_rows(self, mod: Any) -> list[tuple[Workload, Any]]:
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

    def _module(self, row: Workload, mod: Any) -> Any:
        if row.tvm_version == str(tvm.__version__) and workload_from_module(mod).module_id == row.module_id:
            return mod  # the same text: nothing foreign to be parsed
        if row.module_json:
            probe(row, _EMPTY_TRACE)
        return load_module(row)

    # -- records ---------------------------------------------------------------------------------------------------

    def commit_tuning_record(self, record: Any) -> None:
        """Appends a measured record to the store; one of another target than this database's too."""
        target = target_from_tvm(record.target) if record.target is not None else self._asked_target(None)
        row = workload_from_module(record.workload.mod)
        run_secs = [float(plain(secs)) for secs in record.run_secs or ()]
        good = bool(run_secs) and all(0 < secs < _FAILED_SECS and math.isfinite(secs) for secs in run_secs)
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
            run_secs=run_secs if good else None,
            args_info=list(record.args_info or ()),
            outcome=Outcome.OK if good else Outcome.FAILED,
        )
        self._store.append(
            [trial], workloads=[row], targets=[target], hardware=[self._hardware], sources=[self._source]
        )

    def get_top_k(self, workload: Any, top_k: int) -> list[Any]:
        """The `top_k` fastest records of the module on this database's target, by mean run time as stock has it."""
        return self._top(workload.mod, int(top_k), self._asked_target(None))

    def get_all_tuning_records(self) -> list[Any]:
        """All good records of this database's target that replay here."""
        target = self._asked_target(None)
        found = []
        for trial in self._store.trials(target_id=target.target_id, outcome=Outcome.OK):
            if not trial.module_id:
                continue
            row = self._store.module(trial.module_id)
            record = self._record(trial, row, target, None)
            if record is not None:
                found.append(record)
        return found

    def __len__(self) -> int:
        target = self._asked_target(None)
        return sum(row.num_trials for row in self._store.target_summaries() if row.target.target_id == target.target_id)

    # -- queries ---------------------------------------------------------------------------------------------------

    def query_tuning_record(self, mod: Any, target: Any, workload_name: str | None = None) -> Any:
        """The fastest record of the module for a target; None if there is none."""
        del workload_name  # a module is known by what it is
        found = self._top(mod, 1, self._asked_target(target))
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

    def _top(self, mod: Any, top_k: int, target: Target) -> list[Any]:
        if top_k <= 0:
            return []
        trials: list[tuple[Trial, Workload, Any]] = []
        for row, workload in self._equal_rows(mod):
            best = self._store.best(row.workload_id, target.target_id, 2 * top_k + 8, module_id=row.module_id)
            trials.extend((trial, row, workload) for trial in best)
        trials.sort(key=lambda found: (statistics.fmean(found[0].run_secs), found[0].position))
        records = []
        for trial, row, workload in trials:
            record = self._record(trial, row, target, workload)
            if record is not None:
                records.append(record)
            if len(records) == top_k:
                break
        return records

    def _record(self, trial: Trial, row: Workload, target: Target, workload: Any) -> Any:
        try:
            decoded = validated_trace(trial.trace)
            if trial.source_id not in self._trusted_sources(trial.source_id):
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


def _args(described: Any) -> list[Any]:
    from tvm.s_tir.meta_schedule.arg_info import ArgInfo

    return [ArgInfo.from_json(arg) for arg in described]
