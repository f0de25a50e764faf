"""A network that is in Relax already: written in TVMScript, or made by an importer of TVM's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from search.networks.network import Network, TensorSpec
from tunedb.errors import BadInputError, UsageError


def network_of_relax(mod: Any, name: str, path: Path) -> Network:
    """The network of a Relax module.

    Args:
        mod: A tvm IRModule with the Relax function "main"; weights are its constants, and its parameters are inputs.
        name: What the network is called.
        path: The file that it comes from.

    Raises:
        BadInputError: It has no function "main", or returns no tensors.
        UsageError: The shape of an input is not known.
    """
    import tvm

    names = [str(var.name_hint) for var, function in mod.functions_items() if isinstance(function, tvm.relax.Function)]
    if "main" not in names:
        raise BadInputError(f"{path}: the module's Relax functions are {', '.join(names)}; call one of them main")
    main = mod["main"]
    inputs = tuple(_spec(path, param) for param in main.params)
    returned = main.ret_ty
    number = len(returned.fields) if hasattr(returned, "fields") else 1
    outputs = ("output",) if number == 1 else tuple(f"output{place}" for place in range(number))
    digest = hashlib.sha256(tvm.ir.save_json(mod).encode()).hexdigest()
    return Network(name, mod, inputs, outputs, digest, path)


def _spec(path: Path, param: Any) -> TensorSpec:
    import tvm

    shape = getattr(param.ty, "shape", None)
    if shape is None or not hasattr(shape, "values"):
        raise UsageError(f"{path}: the input {param.name} is no tensor of a known shape")
    extents = list(shape.values)
    if not all(isinstance(extent, int | tvm.tirx.IntImm) for extent in extents):
        told = "x".join(map(str, extents))
        raise UsageError(f"{path}: the shape of its input {param.name} is dynamic ({told}): fix it in the module")
    return TensorSpec(str(param.name), str(param.ty.dtype), tuple(map(int, extents)))
