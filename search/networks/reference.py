"""Does a whole library compute what the network does? Compared with ONNX Runtime where it is installed and can be."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from search.measure.cross.architecture import is_foreign
from search.networks.arrays import Arrays, random_arrays
from search.networks.lowering import Lowered
from search.networks.manifest import Verification
from search.networks.network import Network
from search.targets import local_target
from tunedb.errors import last_line
from tunedb.metaschedule.replay import target_to_tvm

TOLERANCE = 1e-3  # relative to the largest magnitude of an output: sums are taken in another order
# Of networks that compute in a shorter type: other runtimes keep sums, or whole operators, in float32.
_SHORTER = {"float16": 2e-2, "bfloat16": 5e-2}

_LONGEST = 1000  # text: a library has little room for it
Outputs = list[npt.NDArray[Any]]


class Runnable(Protocol):
    """A library that can be run, here or by an emulator."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        """Runs the network once; see `search.networks.runtime.Library.run`."""


def verify(library: Runnable, lowered: Lowered, seed: int = 0) -> Verification:
    """Compares a library with the network.

    Args:
        library: The library.
        lowered: What it was built of.
        seed: Of the inputs.

    Returns:
        What came of it; `agrees` is None where nothing could be compared.
    """
    allowed = tolerance_of(lowered.network)
    inputs = random_arrays(lowered.network.inputs, seed)
    made = list(library.run(inputs).values())
    problem = ""
    for name, reference in _references(lowered):
        try:
            right = reference(inputs)
        except Exception as error:  # another runtime's, of whatever kind
            problem = f"{name}: {last_line(error)}"[:_LONGEST]
            continue
        return _compared(name, made, right, allowed, problem)
    return Verification("", allowed, note=problem)


def tolerance_of(network: Network) -> float:
    """How far an output may deviate, relative to its largest magnitude, by the shortest type that a network has."""
    import tvm

    found: set[str] = set()

    def visit(node: Any) -> None:
        ty = getattr(node, "ty", None)
        if isinstance(ty, tvm.relax.TensorType):
            found.add(str(ty.dtype))

    tvm.relax.analysis.post_order_visit(network.mod["main"], visit)
    return max((_SHORTER.get(dtype, TOLERANCE) for dtype in found), default=TOLERANCE)


def _compared(name: str, made: Outputs, right: Outputs, allowed: float, problem: str) -> Verification:
    worst = max((deviation(one, other) for one, other in zip(made, right, strict=True)), default=0.0)
    if not any(np.nanmax(np.abs(np.asarray(other, np.float64)), initial=0.0) > 0 for other in right):
        return Verification(
            name, allowed, note="all outputs are 0: this verifies nothing; give other weights or inputs"
        )
    return Verification(name, allowed, worst, bool(worst <= allowed), problem)


def deviation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The largest difference of an element, relative to the largest magnitude of the other array.

    Whole numbers may differ by one step: what lies between two is rounded after sums in another order.
    """
    if one.shape != other.shape:
        return float("inf")
    mine, right = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if not np.array_equal(np.isnan(mine), np.isnan(right)):
        return float("inf")
    step = 1.0 if np.issubdtype(other.dtype, np.integer) else 0.0
    difference = max(float(np.nanmax(np.abs(mine - right), initial=0.0)) - step, 0.0)
    return difference / max(float(np.nanmax(np.abs(right), initial=0.0)), 1e-30)


def _references(lowered: Lowered) -> Iterator[tuple[str, Callable[[Arrays], Outputs]]]:
    if lowered.network.onnx is not None and importlib.util.find_spec("onnxruntime") is not None:
        name = f"ONNX Runtime {importlib.metadata.version('onnxruntime')}"
        yield name, lambda inputs: onnx_runtime(lowered.network, is_exact=True)(inputs)  # noqa: PLW0108 - it may refuse the model
    if lowered.network.run_original is not None:
        yield lowered.network.original, lowered.network.run_original
    yield "the network without schedules", partial(_unscheduled, lowered)


def onnx_runtime(network: Network, num_threads: int = 1, *, is_exact: bool = False) -> Callable[[Arrays], Outputs]:
    """A network in ONNX Runtime: what runs it on named inputs.

    Args:
        network: One that was an ONNX model.
        num_threads: That it runs on.
        is_exact: Whether sums of 8-bit products are right on processors without VNNI, too, where ONNX Runtime lets
            them overflow for speed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
    options.log_severity_level = 3
    if is_exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(network.onnx, options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(list(network.outputs), inputs))


def _unscheduled(lowered: Lowered, inputs: Arrays) -> Outputs:
    """What the network computes when nothing of it is scheduled."""
    import tvm

    on_gpu = lowered.target.kind == "cuda"  # which runs nothing that is not scheduled; the host does
    target = local_target() if on_gpu or is_foreign(lowered.target) else lowered.target
    executable = tvm.compile(lowered.mod, target=target_to_tvm(target))
    machine = tvm.relax.VirtualMachine(executable, tvm.cpu())
    found = machine["main"](*(tvm.runtime.tensor(inputs[spec.name]) for spec in lowered.network.inputs))
    return [part.numpy() for part in ([found] if hasattr(found, "numpy") else found)]
