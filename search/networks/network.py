"""A network as it was imported: one Relax function, its weights constants, and what its inputs look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a network."""

    name: str
    dtype: str  # as NumPy names it
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network whose shapes are numbers."""

    name: str  # the file's, without its suffix
    mod: Any  # tvm IRModule with the Relax function "main"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]  # names, in the order in which "main" returns them
    digest: str  # SHA-256 of the file's content and the shapes
    path: Path
    onnx: bytes | None = None  # the model with its shapes fixed, where it was one of ONNX
    original: str = ""  # what ran the network where it comes from, for people
    run_original: Callable[[Mapping[str, Any]], list[Any]] | None = None  # arrays by name to its outputs
    inductor: Callable[[Mapping[str, Any]], Callable[[], Any]] | None = None  # the same, compiled by PyTorch
