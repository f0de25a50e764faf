"""Arrays for a network's inputs, and of its outputs: from files, to files, or drawn."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tunedb.errors import BadInputError, NotFoundError
from tunedb.files import replace_file

Arrays = dict[str, npt.NDArray[Any]]

_INDEX_BOUND = 8


class Spec(Protocol):
    """An input of a network."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def dtype(self) -> str:
        """Its type, as NumPy names it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""


def random_arrays(inputs: Sequence[Spec], seed: int = 0) -> Arrays:
    """Arrays for inputs: normal floats; small whole numbers, which may be indices.

    Args:
        inputs: The inputs.
        seed: Of the numbers.
    """
    rng = np.random.default_rng(seed)
    return {spec.name: _drawn(rng, spec) for spec in inputs}


def read_arrays(path: Path) -> Arrays:
    """The arrays of an .npz file, by name.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is none, or holds Python objects.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                return {name: found[name] for name in found.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path}: not an .npz file of arrays: {error}") from error
    raise BadInputError(f"{path}: its array has no name; save it with numpy.savez(path, name=array)")


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes arrays to an .npz file, which is there whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **dict[str, Any](arrays))
    replace_file(path, content.getvalue())


def _drawn(rng: np.random.Generator, spec: Spec) -> npt.NDArray[Any]:
    if spec.dtype == "bool":
        return rng.integers(0, 2, spec.shape).astype(bool)
    if "int" in spec.dtype:
        return rng.integers(0, _INDEX_BOUND, spec.shape).astype(spec.dtype)
    return rng.normal(size=spec.shape).astype(spec.dtype)
