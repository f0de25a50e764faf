"""Networks of PyTorch: exported programs (.pt2), and modules that are exported here. PyTorch is an extra."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.networks.importing.chatter import quiet
from search.networks.importing.relax_module import network_of_relax
from search.networks.importing.takes import mend_takes
from search.networks.network import Network
from tunedb.errors import BadInputError, NotFoundError, UsageError, last_line


def import_exported(path: Path, shapes: Mapping[str, Sequence[int]]) -> Network:
    """The network of a file that `torch.export.save` wrote.

    Args:
        path: The file. Only tensors are read of it, no Python objects.
        shapes: None may be given: an exported program has its own.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is none, or TVM cannot import it.
        UsageError: A shape is given, or PyTorch is not installed.
    """
    if shapes:
        raise UsageError(f"{path}: the shapes of an exported program are fixed: export it again with others")
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    torch = _torch()
    try:
        with _tensors_only():
            program = torch.export.load(str(path))
    except Exception as error:
        raise BadInputError(f"{path}: not a program that torch.export.save wrote: {last_line(error)}") from error
    return _imported(program, path.stem, path)


def import_module(module: Any, name: str, path: Path, inputs: Mapping[str, npt.NDArray[Any]]) -> Network:
    """The network of a PyTorch module.

    Args:
        module: A `torch.nn.Module`; it is put into inference mode.
        name: What the network is called.
        path: The file that it comes from.
        inputs: An example of its arguments, in their order, or by name.

    Raises:
        BadInputError: It cannot be exported, or TVM cannot import it.
        UsageError: There is no example.
    """
    torch = _torch()
    if not inputs:
        raise UsageError(
            f"{path}:{name}: a PyTorch module says nothing of its inputs: give --shape NAME=1x3x224x224 for each "
            "argument of its forward, or --example-input FILE.npz"
        )
    arguments = {argument: torch.from_numpy(np.ascontiguousarray(array)) for argument, array in inputs.items()}
    try:
        program = torch.export.export(module.eval(), args=(), kwargs=arguments)
    except Exception as error:
        raise BadInputError(f"{path}:{name}: torch.export cannot export it: {last_line(error)}") from error
    return _imported(program, name, path)


def _imported(program: Any, name: str, path: Path) -> Network:
    from tvm.relax.frontend.torch import from_exported_program

    try:
        with quiet():
            mod = from_exported_program(program, keep_params_as_input=False, unwrap_unit_return_tuple=True)
    except Exception as error:
        raise BadInputError(f"{path}: TVM cannot import this program: {last_line(error)}") from error
    network = network_of_relax(mend_takes(mod), name, path)
    torch = _torch()

    def called(module: Any, inputs: Mapping[str, npt.NDArray[Any]]) -> Callable[[], Any]:
        given = [torch.from_numpy(inputs[spec.name]) for spec in network.inputs]
        positional, keywords = program.call_spec.in_spec.children()
        named = dict(zip(keywords.context or (), given[positional.num_leaves :], strict=True))

        def call() -> Any:
            with torch.no_grad():
                return module(*given[: positional.num_leaves], **named)

        return call

    def run(inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        found = called(program.module(), inputs)()
        return [part.numpy() for part in ([found] if hasattr(found, "numpy") else found)]

    return replace(
        network,
        original=f"PyTorch {torch.__version__}",
        run_original=run,
        inductor=lambda inputs: called(torch.compile(program.module(), options={"freezing": True}), inputs),
    )


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise UsageError("networks of PyTorch need PyTorch: pip install 'tunedb[torch]'") from error
    return torch


@contextmanager
def _tensors_only() -> Iterator[None]:
    """PyTorch reads tensors, and refuses pickled objects."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
