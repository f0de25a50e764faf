"""Reads an ONNX file: its weights wherever they are, its shapes fixed, its operators such that TVM imports them.

TVM's importer makes the Relax function. What it lacks is rewritten in the ONNX graph before it (`onnx_folding`,
`onnx_batch_norm`, `onnx_quantized`, `onnx_recurrent`). What it gets wrong is replaced in it (`onnx_converters`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.networks.importing.chatter import quiet
from search.networks.importing.onnx_batch_norm import fold_batch_norms
from search.networks.importing.onnx_folding import fold
from search.networks.importing.onnx_quantized import dequantize
from search.networks.importing.onnx_recurrent import unroll
from search.networks.network import Network, TensorSpec
from tunedb.errors import BadInputError, NotFoundError, UsageError, last_line

_MOST_BYTES = 2_000_000_000  # of one protobuf message: a larger model is checked from its file
_MOST_ELEMENTS = 1024  # of a weight that may be a shape
_SHOWN_NODES = 3


def import_onnx(path: Path, shapes: Mapping[str, Sequence[int]]) -> Network:
    """The network of an ONNX file.

    Args:
        path: The file; external data lies beside it.
        shapes: Of inputs by name, in place of those that the file says.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is no valid model, or TVM cannot import it; operator, node and opset are named.
        UsageError: A shape is of no input, or does not fit; or an input's shape is dynamic and none is given.
    """
    model = _loaded(path)
    weights = {weight.name for weight in model.graph.initializer}
    taken = [value for value in model.graph.input if value.name not in weights]
    _fix_shapes(path, taken, shapes)
    digest = _digest(model)
    reference = None if _is_large(model) else model.SerializeToString()
    try:
        model = fold_batch_norms(unroll(fold(_inferred(dequantize(model)))))
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    inputs = tuple(_spec(value) for value in taken)
    mod = _imported(path, model)
    return Network(path.stem, mod, inputs, tuple(one.name for one in model.graph.output), digest, path, reference)


def _loaded(path: Path) -> Any:
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    import onnx
    import onnx.inliner

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise BadInputError(f"{path}: not a valid ONNX model: {_first_line(error)}") from error
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # a file that is missing, or shorter than the model says
        raise BadInputError(f"{path}: its external data cannot be read: {_first_line(error)}") from error
    try:
        # Some exporters leave the shapes of outputs open, which the checker takes for a fault.
        onnx.checker.check_model(str(path) if _is_large(model) else onnx.shape_inference.infer_shapes(model))
    except Exception as error:
        if not _is_of_other_domain(model):
            raise BadInputError(f"{path}: not a valid ONNX model: {_first_line(error)}") from error
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _is_large(model: Any) -> bool:
    """Whether a model is more than one message can be; asked for its size, such a message fails."""
    return sum(len(weight.raw_data) for weight in model.graph.initializer) > _MOST_BYTES


def _is_of_other_domain(model: Any) -> bool:
    """Whether a model has operators that ONNX does not define: they are named later, all at once."""
    return any(node.domain not in ("", "ai.onnx") for node in model.graph.node)


def _fix_shapes(path: Path, inputs: Sequence[Any], shapes: Mapping[str, Sequence[int]]) -> None:
    names = [value.name for value in inputs]
    for name in shapes:
        if name not in names:
            raise UsageError(f"{path}: has no input {name!r}; its inputs are {', '.join(names) or 'none'}")
    for value in inputs:
        extents = value.type.tensor_type.shape.dim
        wanted = shapes.get(value.name)
        if wanted is not None:
            if value.type.tensor_type.HasField("shape") and len(extents) != len(wanted):
                told = "x".join(map(str, wanted))
                raise UsageError(f"{path}: {told} does not fit the input {value.name} of {len(extents)} dimensions")
            _check_fit(path, value, wanted)
            del extents[:]
            for extent in wanted:
                extents.add().dim_value = extent
        if not value.type.tensor_type.HasField("shape") or any(not extent.dim_value for extent in extents):
            told = "x".join(str(extent.dim_value or extent.dim_param or "?") for extent in extents)
            example = "x".join(str(extent.dim_value or 1) for extent in extents) or "1x..."
            raise UsageError(
                f"{path}: the shape of its input {value.name} is dynamic ({told or 'unknown'}): "
                f"fix it, such as --shape {value.name}={example}"
            )


def _check_fit(path: Path, value: Any, wanted: Sequence[int]) -> None:
    for extent, size in zip(value.type.tensor_type.shape.dim, wanted, strict=False):
        if size < 1:
            raise UsageError(f"{path}: an extent of the input {value.name} is {size}, not a positive number")
        if extent.dim_value and extent.dim_value != size:
            told = "x".join(map(str, wanted))
            raise UsageError(f"{path}: {told} does not fit the input {value.name}: {extent.dim_value} is not {size}")


def _inferred(model: Any) -> Any:
    """The model with the shapes of all that is between; those in the file may be of other inputs.

    Large weights are told by their shapes alone: a model may be larger than one message can be.
    """
    import onnx
    from onnx import helper

    graph = model.graph
    small: list[Any] = []
    large: list[Any] = []
    for weight in graph.initializer:
        (small if math.prod(weight.dims) <= _MOST_ELEMENTS else large).append(weight)
    known = {value.name for value in graph.input}
    told = [helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in large if one.name not in known]
    outputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in graph.output]
    for value in outputs:
        value.type.tensor_type.ClearField("shape")
    skeleton = helper.make_graph(graph.node, graph.name, [*graph.input, *told], outputs, small)
    made = helper.make_model(skeleton, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        found = onnx.shape_inference.infer_shapes(made, data_prop=True)
    except Exception as error:
        raise BadInputError(f"its shapes do not fit together: {_first_line(error)}") from error
    for values, inferred in ((graph.value_info, found.graph.value_info), (graph.output, found.graph.output)):
        del values[:]
        values.extend(inferred)
    return model


def _imported(path: Path, model: Any) -> Any:
    from tvm.relax.frontend.onnx import from_onnx
    from tvm.relax.frontend.onnx.onnx_frontend import _get_convert_map

    from search.networks.importing.onnx_converters import replaced

    known = {*_get_convert_map(), "If", "Constant"}
    unknown = [node for node in model.graph.node if node.op_type not in known or node.domain not in ("", "ai.onnx")]
    if unknown:
        raise BadInputError(f"{path}: {_unsupported(model, unknown)}")
    try:
        with quiet(), replaced():
            return from_onnx(model, keep_params_in_input=False)
    except Exception as error:
        raise BadInputError(f"{path}: TVM cannot import this model: {last_line(error)}") from error


def _unsupported(model: Any, unknown: Sequence[Any]) -> str:
    """What cannot be imported, by operator, and what to do."""
    opsets = {imported.domain: imported.version for imported in model.opset_import}
    told = []
    for kind in sorted({(node.domain, node.op_type) for node in unknown}):
        nodes = [node.name or node.output[0] for node in unknown if (node.domain, node.op_type) == kind]
        more = f" and {len(nodes) - _SHOWN_NODES} more" if len(nodes) > _SHOWN_NODES else ""
        domain = f"{kind[0]}." if kind[0] else ""
        told.append(f"{domain}{kind[1]} (opset {opsets.get(kind[0], '?')}; {', '.join(nodes[:_SHOWN_NODES])}{more})")
    return (
        f"TVM has no importer for {'; '.join(told)}: export the model without, or cut it there "
        "(onnx.utils.extract_model) and compile the parts"
    )


def _spec(value: Any) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return TensorSpec(value.name, str(dtype), tuple(extent.dim_value for extent in tensor.shape.dim))


def _digest(model: Any) -> str:
    """SHA-256 of the graph and its weights, wherever these were kept."""
    digest = hashlib.sha256()
    for weight in model.graph.initializer:
        digest.update(f"{weight.name} {weight.data_type} {list(weight.dims)}".encode())
        digest.update(weight.raw_data or weight.SerializeToString())
    digest.update(repr([(node.op_type, node.input, node.output, node.attribute) for node in model.graph.node]).encode())
    digest.update(repr(list(model.graph.input)).encode())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
