"""What machine a server of TVM's runs on: its own files say so, read by a program that is built for it.

A stock server tells nothing of its machine. But it runs programs, and one that opens and reads a file is a program. So
a machine behind a tracker is described by the same files, in the same way, as this one. Likewise its runtime is told
how many threads a program may use: TVM's own call for that binds the process to the first cores, whatever its affinity.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search.measure.fleet.sessions import TEXT_BYTES
from tunedb.machine.hardware import hardware_named, this_machine
from tunedb.records import Hardware

MOST_BYTES = 1 << 16
_READS = 256  # calls for one file: those of /proc give a page at a time
_CACHES = 5
_TELLING = {  # what a line of /proc/cpuinfo says that the machine runs by itself
    b"vendor_id": ("x86_64", "i386", "i686"),
    b"CPU implementer": ("aarch64", "arm"),
}
PATHS = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu/online",
    *(
        f"/sys/devices/system/cpu/cpu0/cache/index{number}/{name}"
        for number in range(_CACHES)
        for name in ("level", "type", "size")
    ),
)


def machine_program() -> Any:
    """A module of two functions that a server can run in each of its sessions.

    `read(path, content, count)` reads a file: `path` is TEXT_BYTES bytes that end with 0, `content` MOST_BYTES, `count`
    one int64. `prepare(name, value)` sets a variable of the environment of its process, each of TEXT_BYTES bytes.

    Returns:
        A `tvm.ir.IRModule`.
    """
    import tvm

    return tvm.IRModule({"read": _named("read", _reading()), "prepare": _named("prepare", _preparing())})


def _named(name: str, function: Any) -> Any:
    return function.with_attr("global_symbol", name).with_attr("tirx.noalias", True)


def _reading() -> Any:
    from tvm import tirx

    path = tirx.decl_buffer((TEXT_BYTES,), "uint8", name="path")
    content = tirx.decl_buffer((MOST_BYTES,), "uint8", name="content")
    count = tirx.decl_buffer((1,), "int64", name="count")
    descriptor, turn = tirx.Var("descriptor", "int32"), tirx.Var("turn", "int32")
    zero = tirx.const(0, "int64")
    have = tirx.BufferLoad(count, [zero])
    start = tirx.address_of(tirx.BufferLoad(content, [have]))
    got = tirx.call_extern("int64", "read", descriptor, start, tirx.const(MOST_BYTES, "int64") - have)
    step = tirx.BufferStore(count, have + tirx.Max(got, zero), [zero])  # -1 where there is no such file
    opened = tirx.call_extern("int32", "open", _begin(path), tirx.const(0, "int32"))
    body = tirx.SeqStmt(
        [
            tirx.Bind(descriptor, opened),
            tirx.BufferStore(count, zero, [zero]),
            tirx.For(turn, 0, _READS, tirx.ForKind.SERIAL, step),
            tirx.Evaluate(tirx.call_extern("int32", "close", descriptor)),
        ]
    )
    return tirx.PrimFunc([path, content, count], body)


def _preparing() -> Any:
    from tvm import tirx

    name, value = (tirx.decl_buffer((TEXT_BYTES,), "uint8", name=text) for text in ("name", "value"))
    replaces = tirx.const(1, "int32")
    body = tirx.Evaluate(tirx.call_extern("int32", "setenv", _begin(name), _begin(value), replaces))
    return tirx.PrimFunc([name, value], body)


def _begin(buffer: Any) -> Any:
    from tvm import tirx

    return tirx.address_of(tirx.BufferLoad(buffer, [tirx.const(0, "int32")]))


def hardware_of(files: Sequence[bytes], architecture: str) -> Hardware:
    """The machine whose files these are; one that only emulates its target's architecture has its name for that.

    Args:
        files: Of each of PATHS what it holds.
        architecture: What its target says that it is, such as "aarch64".
    """
    with tempfile.TemporaryDirectory(prefix="tunedb-machine-") as root:
        for path, content in zip(PATHS, files, strict=True):
            if content:
                copy = Path(root) / path.lstrip("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
        found = this_machine(Path(root), architecture)
    emulates = is_emulated(files, architecture)
    return hardware_named(f"{architecture}, emulated on {found.name}") if emulates else found


def is_emulated(files: Sequence[bytes], architecture: str) -> bool:
    """Whether programs of an architecture run by emulation on the machine whose files these are.

    QEMU in user mode shows programs the files of the machine that it runs on.
    """
    own = next((names for line, names in _TELLING.items() if line in files[0]), None)
    return own is not None and bool(architecture) and not architecture.startswith(own)
