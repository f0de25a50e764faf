"""Networks from files: an importer a format, and what TVM's own importers get wrong or lack, mended before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from search.networks.network import Network
from tunedb.errors import UsageError

Shapes = Mapping[str, Sequence[int]]


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


def _onnx(path: Path, shapes: Shapes) -> Network:
    from search.networks.importing.onnx_file import import_onnx

    return import_onnx(path, shapes)


_IMPORTERS = {".onnx": _onnx}
