"""From a network to a library: lowered, planned, every schedule verified, built, and the whole verified again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from search.measure.device import Device
from search.measure.verdicts import Verdicts
from search.networks.building import amend, build, check_folder, write
from search.networks.layout import lower_best
from search.networks.lowering import Layout, Lowered, lower
from search.networks.manifest import Manifest, Program, Tensor, Verification
from search.networks.network import Network
from search.networks.plan import plan
from search.networks.reference import Runnable, tolerance_of, verify
from search.networks.runtime import Library
from search.networks.unrun import not_run, settle_unrun
from search.networks.verification import Settled, settle
from search.predict import Predictor
from search.prior import prior_of
from search.task import Task
from search.work import work_of
from tunedb.errors import BadInputError, MeasurementError
from tunedb.identity import trace_id
from tunedb.records import Target
from tunedb.store.contract import Store

OnStep = Callable[[str, int, int, str], None]
"""Told what is under way: the step, how many parts of it are done, of how many, and the next."""

_RUNTIME = ("apache-tvm", "apache-tvm-ffi")  # what a library needs to run


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How a network is compiled."""

    layout: Layout | None = None  # None: what is believed to be faster
    predicts: bool = True  # False: what was never measured is TVM's own
    seed: int = 0
    compiler: str | None = None  # that links; None is the system's
    takes_near: bool = False  # whether the nearest target's records stand in where the target has none


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A network that was compiled."""

    path: Path
    manifest: Manifest
    programs: tuple[Settled, ...]
    secs: dict[str, float]  # of each step
    prior: str = ""  # what schedules were predicted by, for people; "" where none was to be
    layout_reason: str = ""  # why its layout was chosen, for people; "" where there was nothing to choose


def compile_network(
    network: Network,
    path: Path,
    *,
    store: Store,
    target: Target,
    device: Device | None,
    options: CompileOptions | None = None,
    on_step: OnStep | None = None,
    load: Callable[[Path], Runnable] = Library,
) -> Compiled:
    """Compiles a network to a shared library.

    Args:
        network: The network.
        path: Of the library.
        store: The store that is asked for schedules, and gives the cost model.
        target: What code is generated for; the device runs it, or is one that cannot run anything.
        device: What verifies; the caller closes it. None where the target's device is not at hand: then schedules are
            compiled, and nothing is run.
        options: How.
        on_step: Told what is under way.
        load: Loads a library, to run it; an emulator may do that. It is not asked where the device cannot run.

    Returns:
        What was made; it is written only if the whole library computes what the network does, or nothing is run.

    Raises:
        BadInputError: TVM cannot lower, build or link the network.
        MeasurementError: The device does not work, or the library computes something else.
        StoreError: The library cannot be written.
    """
    check_folder(path)
    options = options or CompileOptions()
    secs: dict[str, float] = {}
    tell = on_step or (lambda *_: None)
    with _timed(secs, "lower"):
        tell("lower", 0, 1, network.name)
        lowered = lower(network, target, options.layout) if options.layout else lower_best(network, target)
    with _timed(secs, "plan"):
        prior = prior_of(store, target, transfers=device is None or not (device.cannot_run or device.emulator))
        predictor = Predictor(prior, options.seed) if options.predicts else None
        choices = plan(
            lowered,
            store,
            predictor,
            takes_near=options.takes_near,
            on_task=lambda n, of, task: tell("plan", n, of, task.name),
        )
    with _timed(secs, "verify"):

        def on_task(number: int, of: int, task: Task) -> None:
            tell("verify", number, of, task.name)

        if device is None:
            settled = settle_unrun(choices, target, on_task=on_task)
        else:
            device.check()
            settled = settle(choices, device, Verdicts(store, device, "compile"), on_task=on_task)
    with _timed(secs, "build"):
        tell("build", 0, 1, network.name)
        executable = build(lowered, settled)
        draft = path.with_name(f".{path.stem}.draft.so")
    try:
        with _timed(secs, "check"):
            tell("check", 0, 1, network.name)
            manifest = _manifest(lowered, settled)
            write(executable, manifest, draft, options.compiler)
            found = (
                not_run(executable, target, network)
                if device is None
                else _verified(draft, lowered, device, load, options.seed)
            )
            if found.agrees is False:
                raise MeasurementError(
                    f"{network.path}: the library deviates from {found.reference} by {found.deviation:.1e} "
                    f"(allowed: {found.tolerance:g}); it is not written"
                )
            manifest = msgspec.structs.replace(manifest, verification=found)
            amend(draft, manifest, path)
    finally:
        draft.unlink(missing_ok=True)
    return Compiled(path, manifest, tuple(settled), secs, prior.text if options.predicts else "", lowered.reason)


def _verified(
    draft: Path, lowered: Lowered, device: Device, load: Callable[[Path], Runnable], seed: int
) -> Verification:
    if device.cannot_run:
        return Verification("", tolerance_of(lowered.network), note=f"it cannot be run here: {device.cannot_run}")
    return msgspec.structs.replace(verify(load(draft), lowered, seed), emulator=device.emulator)


def _manifest(lowered: Lowered, settled: Sequence[Settled]) -> Manifest:
    network = lowered.network
    return Manifest(
        network=network.name,
        network_hash=network.digest,
        target=lowered.target.text,
        layout=lowered.layout.value,
        tvm_version=importlib.metadata.version("apache-tvm"),
        tunedb_version=importlib.metadata.version("tunedb"),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        inputs=tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in network.inputs),
        outputs=outputs_of(network),
        programs=tuple(_program(one, lowered.functions[one.task.name]) for one in settled),
        weight_bytes=weight_bytes(network.mod),
        licences={name: _licence(name) for name in _RUNTIME},
    )


def _program(settled: Settled, functions: tuple[str, ...]) -> Program:
    trace, work = settled.trace, work_of(settled.task)
    return Program(
        name=settled.task.name,
        workload=settled.workload.name,
        workload_hash=settled.workload.workload_id,
        calls=round(settled.task.weight),
        functions=functions,
        flop=work.flop,
        num_bytes=work.num_bytes,
        origin=settled.origin.value,
        record=settled.record_id,
        trace="" if trace is None else trace_id(trace),
        verified=settled.is_verified,
        deviation=None if settled.comparison is None else settled.comparison.deviation,
        note=settled.note,
        measured_for=settled.measured_for,
    )


def outputs_of(network: Network) -> tuple[Tensor, ...]:
    """The outputs of a network with the shapes that Relax inferred; an extent that depends on data is -1.

    Raises:
        BadInputError: An output is no tensor.
    """
    import tvm

    ty = network.mod["main"].ret_ty
    fields = [ty] if isinstance(ty, tvm.relax.TensorType) else list(getattr(ty, "fields", ()))
    if len(fields) != len(network.outputs) or not all(isinstance(one, tvm.relax.TensorType) for one in fields):
        raise BadInputError(f"{network.path}: its outputs are no tensors, but {ty}")
    return tuple(
        Tensor(name, str(field.dtype), _shape(field)) for name, field in zip(network.outputs, fields, strict=True)
    )


def _shape(ty: Any) -> tuple[int, ...]:
    import tvm

    if ty.shape is None or not hasattr(ty.shape, "values"):
        return (-1,) * max(int(ty.ndim), 0)
    return tuple(int(one) if isinstance(one, int | tvm.tirx.IntImm) else -1 for one in ty.shape.values)


def weight_bytes(mod: Any) -> int:
    """The size of a network's constants."""
    import tvm

    found: dict[Any, int] = {}

    def visit(node: Any) -> None:
        if isinstance(node, tvm.ir.GenericConst):
            found[node] = node.value.numpy().nbytes

    tvm.relax.analysis.post_order_visit(mod["main"], visit)
    return sum(found.values())


def _licence(distribution: str) -> str:
    described = importlib.metadata.metadata(distribution).json
    return str(described.get("license_expression") or described.get("license") or "unknown")


@contextlib.contextmanager
def _timed(secs: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        secs[step] = time.perf_counter() - started
