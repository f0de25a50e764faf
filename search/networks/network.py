"""A network as it was imported: one Relax function, its weights constants, and what its inputs look like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a network."""

    name: str
    dtype: str  # as NumPy names it
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network whose shapes are numbers."""

    name: str  # the file's, without its suffix
    mod: Any  # tvm IRModule with the Relax function "main"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]  # names, in the order in which "main" returns them
    digest: str  # SHA-256 of the file's content and the shapes
    path: Path
    onnx: bytes | None = None  # of an ONNX model, with its shapes fixed and its weights outside, for a reference to run
