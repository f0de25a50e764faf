"""From a network to tensor programs in one layout, weights free to be packed, and the tasks among them.

Fusion and folding are Relax's. No layout is always the fastest: with channels last, vectors run over channels and
weights pack well, but what cannot carry the layout on is surrounded by transposes. `search.networks.layout` chooses by
how many these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from costmodels.features.loop_nest import target_columns
from search.networks.folding import FoldConstants
from search.networks.integers.rewriting import has_instruction, with_integers
from search.networks.integers.weights import quantized_weights
from search.networks.network import Network
from search.networks.quantization import PlainQuantization, is_quantized
from search.networks.rounding import round_apart
from search.networks.vector_math import vectorize_math
from search.networks.winograd.rewriting import with_winograd
from search.task import Task
from tunedb.errors import BadInputError, last_line
from tunedb.metaschedule import intrinsics
from tunedb.metaschedule.replay import target_to_tvm
from tunedb.records import Target

# Of these, the layout of data and of weights. Transposed convolutions have no schedule with channels last, and
# `ConvertLayout` would turn them along with the others.
_CHANNELS_LAST = {"relax.nn.conv2d": ["NHWC", "HWIO"], "relax.nn.conv2d_transpose": ["NCHW", "IOHW"]}


class Layout(StrEnum):
    """How a network's images lie in memory."""

    CHANNELS_FIRST = "NCHW"
    CHANNELS_LAST = "NHWC"


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A network as tensor programs that are called in turn."""

    network: Network
    target: Target
    layout: Layout
    mod: Any  # tvm IRModule: the Relax function "main" and the programs that it calls
    tasks: tuple[Task, ...]  # the different programs; the weight of each is how often it is called
    functions: Mapping[str, tuple[str, ...]]  # of the module, by the name of the task that each is
    reason: str = ""  # why this layout, for people; "" where there was nothing to choose


def layouts_of(network: Network) -> tuple[Layout, ...]:
    """The layouts that a network can have: one where it has no convolution over images."""
    return tuple(Layout) if _has_images(network.mod) else (Layout.CHANNELS_FIRST,)


def lower(network: Network, target: Target, layout: Layout) -> Lowered:
    """Lowers a network.

    Args:
        network: The network.
        target: What it is lowered for.
        layout: Of its convolutions; its inputs and outputs stay as they are.

    Raises:
        BadInputError: TVM cannot lower it.
    """
    import tvm
    from tvm.relax import transform
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    intrinsics.register_for(target.kind, target.keys)
    passes = [FoldConstants(), PlainQuantization(), transform.FoldBatchnormToConv2D(), FoldConstants()]
    passes += [transform.DecomposeOpsForInference()]
    if layout is Layout.CHANNELS_LAST:
        passes += [transform.ConvertLayout(_CHANNELS_LAST)]
    passes += [FoldConstants(), transform.CanonicalizeBindings()]
    lanes = round(2.0 ** target_columns(target_to_tvm(target))[0]) // 32
    has_vectors = target.kind != "cuda"  # what is written for vectors of a CPU's core
    fusing = [tvm.relax.get_pipeline("zero"), transform.AttachAttrLayoutFreeBuffers()]
    try:
        with target_to_tvm(target):
            mod = tvm.ir.transform.Sequential(passes)(network.mod)
            mod = vectorize_math(mod) if has_vectors else mod
            if is_quantized(mod):
                if has_instruction(target_to_tvm(target)):
                    mod = with_integers(mod, quantized_weights(network.mod))
                mod = round_apart(mod)
            elif has_vectors and layout is Layout.CHANNELS_LAST:
                mod = with_winograd(mod, lanes, target.num_cores or 1)
            mod = tvm.ir.transform.Sequential(fusing)(mod)
            extracted = ms.relax_integration.extract_tasks(mod, target_to_tvm(target))
    except Exception as error:
        raise BadInputError(f"{network.path}: TVM cannot lower it in {layout}: {last_line(error)}") from error
    tasks = [
        Task(str(task.task_name), _normalize_mod(task.dispatched[0]), float(task.weight))
        for task in extracted
        if not _is_scheduled(task.dispatched[0])
    ]
    tasks.sort(key=lambda task: task.name)
    return Lowered(network, target, layout, mod, tuple(tasks), _functions(mod, tasks))


def _functions(mod: Any, tasks: Sequence[Task]) -> dict[str, tuple[str, ...]]:
    """The functions of a module by the task that each is."""
    import tvm
    import tvm_ffi
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    names = {tvm_ffi.structural_hash(task.mod): task.name for task in tasks}
    found: dict[str, list[str]] = {task.name: [] for task in tasks}
    for var, function in mod.functions_items():
        if isinstance(function, tvm.tirx.PrimFunc):
            task = names.get(tvm_ffi.structural_hash(_normalize_mod(function)))
            if task is not None:
                found[task].append(str(var.name_hint))
    return {name: tuple(sorted(functions)) for name, functions in found.items()}


def _is_scheduled(mod: Any) -> bool:
    return any((function.attrs or {}).get("tirx.is_scheduled", False) for _, function in mod.functions_items())


def _has_images(mod: Any) -> bool:
    """Whether a network has convolutions over images."""
    return "R.nn.conv2d(" in mod.script()
