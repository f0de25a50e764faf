"""From a lowered network and the schedule of each program to a shared library."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.networks.lowering import Lowered
from search.networks.manifest import Manifest, amend_manifest, constant
from search.networks.verification import Settled
from tunedb.errors import BadInputError, StoreError, last_line
from tunedb.metaschedule.gpu_schedule import bound
from tunedb.metaschedule.replay import replay, target_to_tvm
from tunedb.metaschedule.shared_memory import laid_out_apart
from tunedb.metaschedule.stack import align_stack
from tunedb.traces import validated_trace


def build(lowered: Lowered, settled: Sequence[Settled]) -> Any:
    """The executable of a network: each program with its schedule, its constants packed.

    Args:
        lowered: The network.
        settled: What each of its programs is compiled with.

    Raises:
        BadInputError: TVM cannot build it.
    """
    import tvm
    from tvm.relax import transform

    from search.networks.packing import PackConstants

    target = target_to_tvm(lowered.target)
    database = _database(settled, target)
    try:
        with target, database:
            passes = [
                transform.MetaScheduleApplyDatabase(),
                transform.SplitLayoutRewritePreproc(),
                PackConstants(),
                transform.FoldConstant(),  # of what that leaves alone
                transform.CanonicalizeBindings(),  # of tuples that the splitting leaves: each is a call when it runs
                transform.DeadCodeElimination(),
            ]
            scheduled = tvm.ir.transform.Sequential(passes)(lowered.mod)
            if lowered.target.kind == "llvm":
                scheduled = align_stack(scheduled)
            elif lowered.target.kind == "cuda":
                scheduled = bound(scheduled, target)
        with laid_out_apart(scheduled):
            return tvm.compile(scheduled, target=target)
    except Exception as error:
        raise BadInputError(f"{lowered.network.path}: TVM cannot build it: {last_line(error)}") from error


def write(executable: Any, manifest: Manifest, path: Path, compiler: str | None = None) -> None:
    """Links an executable and its manifest to a shared library, which is there whole or not at all.

    Args:
        executable: What `build` made.
        manifest: What it says of itself.
        path: Of the library.
        compiler: The C++ compiler that links; None is the system's.

    Raises:
        StoreError: The file cannot be written.
        BadInputError: It cannot be linked.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".tunedb-", dir=path.parent) as folder:
            source = Path(folder) / "manifest.c"
            source.write_text(constant(manifest), encoding="ascii")
            made = Path(folder) / "library.so"
            options = {} if compiler is None else {"cc": compiler}
            executable.export_library(str(made), addons=[str(source)], **options)
            made.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    except Exception as error:
        raise BadInputError(f"{path}: cannot be linked: {last_line(error)}") from error


def amend(path: Path, manifest: Manifest, made: Path) -> None:
    """Writes a library once more, with what its manifest says by now.

    Args:
        path: The library.
        manifest: What it says of itself.
        made: The file that is written, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".tunedb-", dir=made.parent) as folder:
            draft = Path(folder) / "library.so"
            shutil.copy(path, draft)
            amend_manifest(draft, manifest)
            draft.replace(made)
    except OSError as error:
        raise StoreError(f"{made}: cannot be written: {error.strerror or error}") from error


def check_folder(path: Path) -> None:
    """Tries whether a library can be written, before minutes are spent on making it.

    Raises:
        StoreError: It cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def _database(settled: Sequence[Settled], target: Any) -> Any:
    """The schedules as MetaSchedule looks them up."""
    from tvm.s_tir import meta_schedule as ms

    database = ms.database.MemoryDatabase()
    for one in settled:
        if one.trace is None:
            continue
        schedule = replay(one.task.mod, validated_trace(one.trace))
        args = ms.arg_info.ArgInfo.from_entry_func(schedule.mod, remove_preproc=True)
        workload = database.commit_workload(one.task.mod)
        database.commit_tuning_record(ms.database.TuningRecord(schedule.trace, workload, [1.0], target, args))
    return database
