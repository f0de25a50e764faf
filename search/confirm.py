"""Which of a run's fastest schedules is the fastest: measured again, in turn, until they can be told apart.

The fastest of many noisy measurements was also the luckiest. Rounds are spread over time, so that drift hits all alike,
and each repeat is stored as one more measurement of its schedule, which the store's estimates pool.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from search.measure.device import Device, Timing
from search.measure.programs import scheduled_program
from search.recorder import TaskRecorder
from tunedb.errors import MeasurementError, last_line
from tunedb.query.estimates import tied
from tunedb.records import Outcome

_log = logging.getLogger(__name__)

_CONTENDERS = 4
_ROUNDS = 3


def confirm(task: TaskRecorder, mod: Any, device: Device, timing: Timing | None = None) -> int:
    """Measures the contenders of a task again; `task.best` takes that into account.

    Args:
        task: The recorder with the task's trials, which takes the repeats.
        mod: The task's module.
        device: The device that the trials ran on.
        timing: How they were timed; None is the device's own way.

    Returns:
        How many repeats were measured.
    """
    open_ = [schedule.trial for schedule in task.schedules()[:_CONTENDERS]]
    number_of: dict[str, int] = {}
    done = 0
    try:
        for trial in open_:
            (build,) = device.build([scheduled_program(mod, trial.trace)], keep=True)
            number_of[trial.trial_id] = build.number
            if build.outcome is not Outcome.OK:
                raise MeasurementError(build.error)
        for _ in range(_ROUNDS):
            estimates = {schedule.trial.trial_id: schedule.estimate for schedule in task.schedules()}
            best = min((estimates[trial.trial_id] for trial in open_), key=lambda one: one.secs)
            open_ = [trial for trial in open_ if tied(estimates[trial.trial_id], best)]
            if len(open_) < 2:
                break
            for trial in open_:
                (measured,) = device.run([number_of[trial.trial_id]], timing=timing)
                if measured.outcome is not Outcome.OK:
                    raise MeasurementError(measured.error)
                task.add_repeat(trial, measured.run_secs, datetime.now(UTC))
                done += 1
    except Exception as error:  # what ran before does not run now: the run's own figures stand
        _log.info("%s: the best schedules could not be measured again: %s", task.name, last_line(error))
    finally:
        device.release(list(number_of.values()))
    return done
