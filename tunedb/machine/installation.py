"""What is installed on this machine, and whether candidates can be built with it: packages, and a linker. No TVM."""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("tunedb", "apache-tvm", "apache-tvm-ffi", "deltalake", "duckdb", "pyarrow", "lightgbm", "xgboost", "numpy")
_SAFE_FFI = (0, 1, 14)  # 0.1.15 and later crash in TVM 0.27's commit_workload


class Part(StrEnum):
    """What a check looked at, and so what cannot be used where it failed."""

    MACHINE = "machine"  # no candidate can be built or run here
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    part: Part
    ok: bool
    detail: str  # for people: what was found
    advice: str = ""  # for people: what to do where it is not ok


def versions() -> dict[str, str | None]:
    """The installed version of each package that tunedb needs; None where it is missing."""
    return {name: _version(name) for name in PACKAGES}


def check_packages() -> Check:
    """Whether what tunedb needs is there, and in which versions."""
    found = versions()
    missing = [name for name, number in found.items() if number is None]
    if missing:
        advice = "install tunedb with its dependencies: pip install tunedb"
        return Check("packages", Part.MACHINE, False, f"missing: {', '.join(missing)}", advice)
    listed = ", ".join(f"{name} {number}" for name, number in found.items())
    return Check("packages", Part.MACHINE, True, f"Python {platform.python_version()}, {listed}")


def check_ffi() -> Check:
    """Whether apache-tvm-ffi is one that does not crash."""
    found = _version("apache-tvm-ffi") or "none"
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
    if numbers == _SAFE_FFI:
        return Check("apache-tvm-ffi", Part.MACHINE, True, f"{found} is in the range that works with TVM 0.27")
    advice = 'TVM 0.27 crashes with it: pip install "apache-tvm-ffi>=0.1.14.post0,<0.1.15"'
    return Check("apache-tvm-ffi", Part.MACHINE, False, found, advice)


def check_linker() -> Check:
    """Whether there is a g++; TVM links each candidate with it."""
    path = shutil.which("g++")
    if path:
        return Check("g++", Part.MACHINE, True, path)
    return Check("g++", Part.MACHINE, False, "not found", "sudo apt-get install g++")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
