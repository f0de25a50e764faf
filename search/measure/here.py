"""The device of this machine that a target describes: its CPU, or its GPUs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from search.measure.device import Device
from search.measure.local import RUN_TIMEOUT_SECS, LocalCpu, LocalOptions
from search.measure.placement import place
from search.measure.workers import device_type
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.records import Hardware, Target

_LOG = logging.getLogger(__name__)


def this_device(
    target: Target, *, run_timeout_secs: float | None = None, build_timeout_secs: float | None = None
) -> Device:
    """What runs code for a target on this machine.

    Args:
        target: What to build for.
        run_timeout_secs: The longest measurement of one program; None is the usual limit.
        build_timeout_secs: The longest build of one; None is the device's own limit.

    Raises:
        UsageError: tunedb has no runner for that kind of target.
        MeasurementError: This machine has no such device; the message says what was looked for.
    """
    if device_type(target.kind) == "cpu":
        return this_cpu(target, run_timeout_secs=run_timeout_secs, build_timeout_secs=build_timeout_secs)
    if target.kind == "cuda":
        from search.measure.cuda.device import CudaDevices, CudaOptions

        limit = RUN_TIMEOUT_SECS if run_timeout_secs is None else run_timeout_secs
        return CudaDevices(target, CudaOptions(build_timeout_secs=build_timeout_secs, run_timeout_secs=limit))
    raise UsageError(
        f"tunedb measures on CPUs (llvm, c) and CUDA devices and has no runner for {target.kind} yet: with such a "
        "device, give search.bayesian_optimization to MetaSchedule's own tuning calls as their strategy"
    )


def this_hardware(target: Target) -> Hardware:
    """What `this_device` measures on, without starting it: the GPU that runs code for a target, or this machine.

    Args:
        target: What is built for.

    Raises:
        MeasurementError: This machine has no such device; the message says what was looked for.
    """
    if target.kind == "cuda":
        from search.measure.cuda.gpus import gpus_for

        return gpus_for(target)[0].hardware
    return this_machine()


@contextmanager
def at_hand(
    target: Target, *, run_timeout_secs: float | None = None, build_timeout_secs: float | None = None
) -> Iterator[Device | None]:
    """As `this_device`, closed in the end; None where this machine has no GPU for the target."""
    try:
        found = this_device(target, run_timeout_secs=run_timeout_secs, build_timeout_secs=build_timeout_secs)
    except MeasurementError as error:
        if target.kind != "cuda":
            raise
        _LOG.warning("%s", error)
        yield None
        return
    with found as device:
        yield device


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
