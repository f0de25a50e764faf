"""Networks in one call each: tune one, compile one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from search.measure.device import Device
from search.networks.compiling import Compiled, CompileOptions, OnStep, compile_network
from search.networks.importing import Shapes, import_network
from search.networks.machines import machine_of
from search.networks.network import Network
from search.networks.tasks import tasks_of
from search.options import TuneOptions
from search.recorder import TrialEvent
from search.report import TuneReport
from search.standing import Standing
from search.targets import local_target
from search.tune import run_tuning
from tunedb.records import Target
from tunedb.store.contract import Store


def tune(
    network: str | Network,
    trials: int,
    *,
    store: Store,
    target: Target | None = None,
    shapes: Shapes | None = None,
    options: TuneOptions | None = None,
    device: Device | None = None,
    on_trial: Callable[[TrialEvent], None] | None = None,
    on_standing: Callable[[Standing], None] | None = None,
) -> TuneReport:
    """Measures schedules of a network's tasks, where each batch is expected to save the most time.

    Args:
        network: A network, or what names one (`search.networks.import_network`).
        trials: How many candidates to measure.
        store: The store that gives what is known, and is given each trial.
        target: What code is generated for; None is this CPU.
        shapes: Of inputs by name.
        options: How, in place of `trials` and the defaults.
        device: What builds and runs; the caller closes it. None is this machine's CPU.
        on_trial: Called with each trial once it is stored.
        on_standing: Called after each batch with how the network stands.

    Returns:
        What was found.

    Raises:
        TunedbError: As `import_network` and `search.tune`.
    """
    chosen = target or local_target()
    tasks = tasks_of(_network(network, shapes), chosen)
    return run_tuning(
        tasks,
        options or TuneOptions(trials),
        store=store,
        target=chosen,
        device=device,
        on_trial=on_trial,
        on_standing=on_standing,
    )


def compile(
    network: str | Network,
    path: str | Path,
    *,
    store: Store,
    target: Target | None = None,
    shapes: Shapes | None = None,
    options: CompileOptions | None = None,
    device: Device | None = None,
    on_step: OnStep | None = None,
    cross_compiler: str | None = None,
    tvm_runtime: str | Path | None = None,
) -> Compiled:
    """Compiles a network to a shared library; see `search.networks.compiling.compile_network`.

    Args:
        network: A network, or what names one (`search.networks.import_network`).
        path: Of the library; it ends in .so.
        store: The store that is asked for schedules, and gives the cost model.
        target: What code is generated for; None is this CPU.
        shapes: Of inputs by name.
        options: How.
        device: What verifies; the caller closes it. None is this machine's device for the target, or an emulated one
            for a CPU of another architecture; where there is none, nothing is run.
        on_step: Told what is under way.
        cross_compiler: Links for another architecture; None is ARCH-linux-gnu-g++.
        tvm_runtime: The folder of TVM's runtime for another architecture, or of its wheels; without it, nothing of the
            library is run.

    Returns:
        What was made.

    Raises:
        TunedbError: As `import_network` and `compile_network`.
    """
    chosen = target or local_target()
    imported = _network(network, shapes)
    if device is not None:
        return compile_network(
            imported, Path(path), store=store, target=chosen, device=device, options=options, on_step=on_step
        )
    folder = None if tvm_runtime is None else Path(tvm_runtime)
    with machine_of(chosen, cross_compiler=cross_compiler, tvm_runtime=folder) as machine:
        return compile_network(
            imported,
            Path(path),
            store=store,
            target=chosen,
            device=machine.device,
            options=replace(options or CompileOptions(), compiler=machine.linker),
            on_step=on_step,
            load=machine.load,
        )


def _network(network: str | Network, shapes: Shapes | None) -> Network:
    return import_network(network, shapes) if isinstance(network, str) else network
