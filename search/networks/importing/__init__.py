"""Networks from files: an importer a format, and what TVM's own importers get wrong or lack, mended before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.networks.network import Network
from tunedb.errors import UsageError

Shapes = Mapping[str, Sequence[int]]
Arrays = Mapping[str, npt.NDArray[Any]]


def is_network_file(spec: str) -> bool:
    """Whether a name is that of a file with a network."""
    return Path(spec).suffix in _IMPORTERS


def import_file(path: Path, shapes: Shapes | None = None) -> Network:
    """The network of a file.

    Args:
        path: The file; its suffix tells its format.
        shapes: Of inputs by name, in place of those that the file says.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is no valid model, or TVM cannot import it.
        UsageError: A shape is of no input or does not fit; an input's shape is dynamic and none is given; or the
            format is not known.
    """
    importer = _IMPORTERS.get(path.suffix)
    if importer is None:
        raise UsageError(f"{path}: not a network in a known format: {', '.join(sorted(_IMPORTERS))}")
    return importer(path, shapes or {})


def import_network(spec: str, shapes: Shapes | None = None, example: Arrays | None = None) -> Network:
    """The network that `spec` names.

    Args:
        spec: A file, or `path.py:name`: a Relax module, a PyTorch module, or a function that returns one.
        shapes: Of inputs by name. A PyTorch module is exported for float32 inputs of these shapes, in their order.
        example: Arguments of a PyTorch module by name, for inputs of other types.

    Raises:
        NotFoundError: There is no such file or name.
        BadInputError: It is no valid network, or TVM cannot import it.
        UsageError: As `import_file`, or what is named is no network.
    """
    path, colon, attribute = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        return import_file(Path(spec), shapes)
    from search.networks.importing.python_file import is_network, named

    value = named(Path(path), attribute)
    if not is_network(value):
        raise UsageError(f"{spec} is a {type(value).__name__}, not a network")
    return network_of(value, attribute, Path(path), shapes, example)


def network_of(value: Any, name: str, path: Path, shapes: Shapes | None, example: Arrays | None = None) -> Network:
    """The network of a Relax or PyTorch module; see `import_network`."""
    from search.networks.importing.python_file import is_torch
    from search.networks.importing.relax_module import network_of_relax
    from search.networks.importing.torch_program import import_module

    if not is_torch(value):
        if shapes:
            raise UsageError(f"{path}:{name}: the shapes of a Relax module stand in it")
        return network_of_relax(value, name, path)
    drawn = {one: np.zeros(tuple(shape), np.float32) for one, shape in (shapes or {}).items()}
    return import_module(value, name, path, {**drawn, **(example or {})})


def _onnx(path: Path, shapes: Shapes) -> Network:
    from search.networks.importing.onnx_file import import_onnx

    return import_onnx(path, shapes)


def _exported(path: Path, shapes: Shapes) -> Network:
    from search.networks.importing.torch_program import import_exported

    return import_exported(path, shapes)


_IMPORTERS = {".onnx": _onnx, ".pt2": _exported}
