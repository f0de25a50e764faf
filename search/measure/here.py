"""This machine's CPU as the device that a target describes."""

from __future__ import annotations

from search.measure.local import RUN_TIMEOUT_SECS, LocalCpu, LocalOptions
from search.measure.placement import place
from tunedb.records import Target


def this_cpu(
    target: Target, *, run_timeout_secs: float | None = None, build_timeout_secs: float | None = None
) -> LocalCpu:
    """This machine's CPU, on as many cores as a target has.

    Args:
        target: What to build for; it says how many cores.
        run_timeout_secs: The longest measurement of one program; None is the usual limit.
        build_timeout_secs: The longest build of one; None is the device's own limit.
    """
    cores = target.num_cores or 1
    return LocalCpu(
        target,
        LocalOptions(
            build_workers=cores,
            build_timeout_secs=build_timeout_secs,
            run_timeout_secs=run_timeout_secs or RUN_TIMEOUT_SECS,
            placement=place(cores),
        ),
    )
