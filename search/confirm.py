"""Which of a run's fastest schedules is the fastest: measured again, in turn, until they can be told apart.

The fastest of many noisy measurements was also the luckiest. Passes are spread over time, so that drift hits all alike,
and each is stored as one more measurement of its schedule, which the store's estimates pool.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from search.measure import workers
from search.measure.local import cause
from search.recorder import TaskRecorder
from tunedb.metaschedule.replay import replay, target_to_tvm
from tunedb.query.estimates import tied
from tunedb.traces import validated_trace

_log = logging.getLogger(__name__)

_CONTENDERS = 4
_PASSES = 3


def confirm(task: TaskRecorder, mod: Any, builder: Any, runner: Any) -> int:
    """Measures the contenders of a task again; `task.best` knows it afterwards.

    Args:
        task: with the run's trials.
        mod: the task's module.
        builder: a `PersistentBuilder`.
        runner: a `PersistentRunner`.

    Returns:
        How many passes were measured.
    """
    from tvm.s_tir import meta_schedule as ms

    target = task.run.target
    open_ = [schedule.trial for schedule in task.schedules()[:_CONTENDERS]]
    built = {}
    done = 0
    try:
        for trial in open_:
            scheduled = replay(mod, validated_trace(trial.trace)).mod
            args = tuple(info.as_json() for info in ms.arg_info.ArgInfo.from_entry_func(scheduled, remove_preproc=True))
            built[trial.trial_id] = (builder.build_one(scheduled, target_to_tvm(target)), args)
        device = workers.device_type(target.kind)
        for _ in range(_PASSES):
            estimates = {schedule.trial.trial_id: schedule.estimate for schedule in task.schedules()}
            best = min((estimates[trial.trial_id] for trial in open_), key=lambda one: one.secs)
            open_ = [trial for trial in open_ if tied(estimates[trial.trial_id], best)]
            if len(open_) < 2:
                break
            for trial in open_:
                path, args = built[trial.trial_id]
                task.add_pass(trial, runner.measure(path, device, args), datetime.now(UTC))
                done += 1
    except Exception as error:  # what ran before does not run now: the run's own figures stand
        _log.info("%s: the best schedules could not be measured again: %s", task.name, cause(error))
    return done
