"""Features of recorded trials, computed in child processes so that a bad record cannot take this one down.

Each worker thread owns one child, hands it chunks of trials of one module, and reads one reply per trial. When the
child dies or falls silent, the trial that it owed a reply for is to blame: it is reported, and a new child goes on
with the next one. (TVM's own process pool names no trial, and its timeout waits for the lock of the interpreter,
which a trace that hangs inside TVM never gives back.) The parent never imports TVM.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from costmodels.extraction.child import Reply, Request, extract_each
from costmodels.features import family
from tunedb.errors import ChildDiedError
from tunedb.processes import Child, Children
from tunedb.records import Module, Target, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_REPORT_EVERY = 4096  # trials; a file of the cache each
_CHUNK = 32  # trials a request: some tenths of a second, against milliseconds to load the module again
_LOAD_TIMEOUT_SECS = 120.0  # importing TVM takes 1 to 2 s, with the CUDA intrinsics 18 s; a module, milliseconds
_MAX_CRASHES = 8  # of one module, at some 2 s each; then its other trials are not tried


@dataclass(frozen=True, slots=True)
class Job:
    """Trials that were recorded with one module on one target."""

    module: Module
    target: Target
    trials: Sequence[Trial]
    feature_version: str


@dataclass(frozen=True, slots=True)
class Featurised:
    """Rows and causes by trial id; each trial of the jobs is in one of the two."""

    rows: dict[str, NDArray[np.float64]]  # [d] each
    causes: dict[str, str]
    crashed: frozenset[str]  # of `causes`: the child died or fell silent, which another time it may not


def featurise(
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    on_rows: Callable[[Mapping[str, NDArray[np.float64]], Mapping[str, str]], None] | None = None,
) -> Featurised:
    """Replays trials and extracts their features in `workers` child processes.

    Args:
        jobs: what to do; the order does not change the result.
        workers: child processes at a time.
        on_progress: called with trials done and trials in all, from the calling thread.
        on_rows: called now and then, from the calling thread, with rows and causes that are new and will stand: those
            of crashes are left out, which may have been the machine's (memory, a kill). What it was called with is
            safe when this is interrupted.
    """
    chunks = [
        Job(job.module, job.target, job.trials[i : i + _CHUNK], job.feature_version)
        for job in jobs
        for i in range(0, len(job.trials), _CHUNK)
    ]
    total = sum(len(chunk.trials) for chunk in chunks)
    rows: dict[str, NDArray[np.float64]] = {}
    causes: dict[str, str] = {}
    crashed: set[str] = set()
    crashes: Counter[str] = Counter()
    reported: set[str] = set()

    def report() -> None:
        new = [trial_id for trial_id in (*rows, *causes) if trial_id not in reported and trial_id not in crashed]
        if on_rows is not None and new:
            on_rows({i: rows[i] for i in new if i in rows}, {i: causes[i] for i in new if i in causes})
        reported.update(new)

    children = Children(lambda: Child(extract_each, Request, Reply, is_silent=True))
    executor = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="featurise")
    try:
        for future in as_completed([executor.submit(_do_chunk, children, chunk, crashes) for chunk in chunks]):
            for trial_id, outcome, died in future.result():
                if isinstance(outcome, str):
                    causes[trial_id] = outcome
                    if died:
                        crashed.add(trial_id)
                else:
                    rows[trial_id] = outcome
            if on_progress is not None:
                on_progress(len(rows) + len(causes), total)
            if len(rows) + len(causes) - len(reported) >= _REPORT_EVERY:
                report()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        children.close()  # ends what is under way, so that an interrupt is answered at once
        executor.shutdown(wait=True)
        report()
    return Featurised(rows, causes, frozenset(crashed))


def _do_chunk(
    children: Children[Request, Reply], chunk: Job, crashes: Counter[str]
) -> list[tuple[str, NDArray[np.float64] | str, bool]]:
    """A row, or a cause and whether the child died of it, for each trial of the chunk."""
    done: list[tuple[str, NDArray[np.float64] | str, bool]] = []
    child = children.of_this_thread()
    timeout_secs = family(chunk.feature_version).TRIAL_TIMEOUT_SECS
    while len(done) < len(chunk.trials):
        rest = chunk.trials[len(done) :]
        if crashes[chunk.module.module_id] >= _MAX_CRASHES:
            cause = f"not tried: {_MAX_CRASHES} other trials of the workload crashed TVM"
            done.extend((trial.trial_id, cause, True) for trial in rest)
            break
        traces = [trial.trace for trial in rest]
        request = Request(chunk.module, chunk.target, traces, chunk.feature_version)
        loaded = False
        try:
            child.send(request, _LOAD_TIMEOUT_SECS)
            if cause := child.receive(_LOAD_TIMEOUT_SECS).cause:
                done.extend((trial.trial_id, cause, False) for trial in rest)
                break
            loaded = True
            for trial in rest:
                reply = child.receive(timeout_secs)
                done.append((trial.trial_id, reply.cause or np.frombuffer(reply.row, dtype=np.float64), False))
        except ChildDiedError as error:
            if not loaded:
                crashes[chunk.module.module_id] = _MAX_CRASHES  # no trial of this module stands a chance
                done.extend((trial.trial_id, f"loading the module: {error}", True) for trial in rest)
                break
            crashes[chunk.module.module_id] += 1
            blamed = chunk.trials[len(done)].trial_id
            _log.info("trial %s: %s", blamed, error)
            done.append((blamed, str(error), True))
    return done
