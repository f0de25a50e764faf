"""What machine this is, read from Linux's own files; elsewhere with less. No TVM."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tunedb.identity import UNNAMED, identified, trial_id_of
from tunedb.records import Hardware, Trial

_GIB = 1 << 30
_CUSTOMARY = re.compile(r"^(?:database_)?tuning_records?\b")
_SIMD_BITS = (("avx512f", 512), ("avx2", 256), ("avx", 256), ("sse2", 128), ("asimd", 128), ("neon", 128))
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def hardware_named(name: str) -> Hardware:
    """A machine of which only the name is known, such as that of a log's author."""
    return identified(Hardware(hardware_id="", name=name.strip() or UNNAMED))


UNKNOWN = hardware_named(UNNAMED)
"""A machine that nobody told, as trials' ids have it: where a record was found is no part of its id."""


def unknown_machine(origin: str, uri: str, taken: Mapping[str, str] | None = None) -> Hardware:
    """What stands for the machine of one log when nobody told it: two of them are never taken for one.

    Args:
        origin: what tells the log apart, wherever it lies.
        uri: where it lies, for the name.
        taken: the ids of machines by the names that they have already.
    """
    machine = identified(replace(UNKNOWN, origin=origin))
    folder, _, base = uri.replace("\\", "/").rstrip("/").rpartition("/")
    if _CUSTOMARY.search(base) and folder:  # MetaSchedule names all its logs alike
        base = folder.rpartition("/")[2]
    name = f"unknown machine of {base or 'a log'}"
    if (taken or {}).get(name, machine.hardware_id) != machine.hardware_id:
        name = f"{name} ({machine.hardware_id[:6]})"
    return replace(machine, name=name)


def anonymous_trial_id(trial: Trial) -> str:
    """The id that a trial has in a log which does not tell the machine."""
    return trial_id_of(replace(trial, hardware_id=UNKNOWN.hardware_id, first_hardware_id=""))


def this_machine(root: Path = Path("/"), architecture: str = "") -> Hardware:
    """The CPU that this process runs on. Memory is in whole GiB, so that a new kernel makes no new machine.

    Args:
        root: the folder in which `proc` and `sys` are looked for; in another one they are another machine's.
        architecture: what another machine is called where its files do not name its CPU, such as "aarch64".
    """
    cpuinfo = _read(root / "proc/cpuinfo")
    caches = _caches(root / "sys/devices/system/cpu/cpu0/cache")
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return identified(
        Hardware(
            hardware_id="",
            name=_cpu_name(cpuinfo) or architecture or platform.processor() or platform.machine() or "unknown",
            kind="cpu",
            num_cores=os.cpu_count() if root == Path("/") else _num_cores(root),
            simd_bits=_simd_bits(cpuinfo),
            l1d_bytes=caches.get((1, "Data")),
            l2_bytes=caches.get((2, "Unified")),
            l3_bytes=caches.get((3, "Unified")),
            memory_bytes=round(int(memory[1]) * 1024 / _GIB) * _GIB if memory else None,
        )
    )


def _cpu_name(cpuinfo: str) -> str:
    for key in ("model name", "Model", "Hardware", "cpu model"):
        found = re.search(rf"^{key}\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
        if found:
            return " ".join(found[1].split())
    return ""


def _num_cores(root: Path) -> int | None:
    """How many processors the files of a machine list."""
    listed = re.findall(r"(\d+)(?:-(\d+))?", _read(root / "sys/devices/system/cpu/online"))
    return sum(int(last or first) - int(first) + 1 for first, last in listed) or None


def _simd_bits(cpuinfo: str) -> int | None:
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    have = set(flags[1].split()) if flags else set()
    return next((bits for flag, bits in _SIMD_BITS if flag in have), None)


def _caches(folder: Path) -> dict[tuple[int, str], int]:
    found = {}
    for cache in sorted(folder.glob("index*")):
        level, kind, size = (_read(cache / name).strip() for name in ("level", "type", "size"))
        amount = re.fullmatch(r"(\d+)([KMG]?)", size)
        if level.isdigit() and amount:
            found[int(level), kind] = int(amount[1]) * _UNITS.get(amount[2], 1)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not Linux, or hidden from containers: known by less
        return ""
