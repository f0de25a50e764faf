"""What a compiled library says of itself: the network, the target, and where each of its schedules comes from.

It is a constant of the library itself, so that neither can be without the other, and is read without loading it.
"""

from __future__ import annotations

import json
import mmap
import re
from pathlib import Path

import msgspec

from tunedb.errors import BadInputError, NotFoundError

_BEGIN, _END = b"tunedb manifest 1\n", b"\nend of manifest\0"
_MOST_BYTES = 64 << 20
_ROOM = 4096  # bytes for what is found out once the library is linked


class Tensor(msgspec.Struct, frozen=True):
    """An input or output of the network."""

    name: str
    dtype: str
    shape: tuple[int, ...]  # -1 for an extent that depends on what the network is run on


class Program(msgspec.Struct, frozen=True):
    """One tensor program of the library."""

    name: str  # as the task is called
    workload: str  # for people
    workload_hash: str
    calls: int
    functions: tuple[str, ...]  # as the library calls it
    flop: float  # of one call
    num_bytes: float  # of its arguments
    origin: str  # "record", "near" (a record of another target), "predicted" or "untuned"
    record: str = ""  # the trial's id
    trace: str = ""  # hash of the schedule's trace
    verified: bool = False
    deviation: float | None = None  # of an element from the untuned program's, relative to the largest of its tensor
    note: str = ""
    measured_for: str = ""  # the other target, where the record is of one that stands in


class Verification(msgspec.Struct, frozen=True):
    """What the whole library was compared with."""

    reference: str  # "ONNX Runtime 1.32.0", "the network without schedules"
    tolerance: float  # relative to the largest magnitude of an output
    deviation: float | None = None
    agrees: bool | None = None
    note: str = ""
    emulator: str = ""  # that ran it in the place of its hardware: "qemu-aarch64 7.2.22"


class Manifest(msgspec.Struct, frozen=True):
    """What a library says of itself."""

    network: str
    network_hash: str
    target: str
    layout: str
    tvm_version: str
    tunedb_version: str
    made_at: str  # ISO 8601
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    programs: tuple[Program, ...]
    weight_bytes: int
    licences: dict[str, str]  # of what is linked or needed to run, by name
    verification: Verification | None = None


def constant(manifest: Manifest) -> str:
    """A C source file that keeps a manifest in the library."""
    text = _BEGIN + msgspec.json.encode(manifest) + b" " * _ROOM + _END[:-1]
    numbers = ",".join(map(str, text))
    return f"__attribute__((used)) const unsigned char tunedb_manifest[] = {{{numbers},0}};\n"


def amend_manifest(path: Path, manifest: Manifest) -> None:
    """Puts another manifest in the place of the one that a library has.

    Args:
        path: The library, which is changed.
        manifest: What takes the place; it has little more to say than the old one.

    Raises:
        OSError: The file cannot be written.
        ValueError: The library has no manifest, or too little room for this one.
    """
    text = msgspec.json.encode(manifest)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        begin = content.find(_BEGIN) + len(_BEGIN)
        end = content.find(_END, begin)
        if begin < len(_BEGIN) or end < 0:
            raise ValueError(f"{path}: it has no manifest")
        if len(text) > end - begin:
            raise ValueError(f"{path}: a manifest of {len(text)} bytes has no room in {end - begin}")
        content[begin:end] = text.ljust(end - begin)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a library.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is no library that tunedb compiled, or is damaged.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    if not path.stat().st_size:
        raise BadInputError(f"{path}: not a library that tunedb compiled: it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = re.search(re.escape(_BEGIN) + rb"(.{2,%d}?)" % _MOST_BYTES + re.escape(_END), content, re.DOTALL)
        if found is None:
            raise BadInputError(f"{path}: not a library that tunedb compiled: it has no manifest")
        text = found[1]
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{path}: its manifest cannot be read: {error}") from error


def num_cores(manifest: Manifest) -> int:
    """On how many cores a library was tuned to run."""
    try:
        return max(1, int(json.loads(manifest.target).get("num-cores", 1)))
    except (ValueError, TypeError, AttributeError):
        return 1
