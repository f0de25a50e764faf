"""Architectures of CPU targets, and the compilers here that link for them."""

from __future__ import annotations

import json
import platform
import shutil
from typing import Any

from tunedb.records import Target

_CPUS = ("llvm", "c")
_OTHER_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}


def host_of(target: Target) -> dict[str, Any]:
    """The CPU target of the machine that a device is in; a CPU target is its own."""
    fields: dict[str, Any] = json.loads(target.text)
    if target.kind in _CPUS:
        return fields
    host = fields.get("host")
    return dict(host) if isinstance(host, dict) else {"kind": "llvm"}


def architecture_of(target: Target) -> str:
    """The kind of machine that a target's code runs on, or its device is in, such as "aarch64": this one's where it
    names no triple.
    """
    triple = str(host_of(target).get("mtriple", ""))
    name = triple.partition("-")[0] or platform.machine()
    return _OTHER_NAMES.get(name, name)


def is_foreign(target: Target) -> bool:
    """Whether this machine cannot run a target's code because it is of another architecture."""
    here = platform.machine()
    return target.kind in _CPUS and architecture_of(target) != _OTHER_NAMES.get(here, here)


def linker_for(target: Target, named: str | None = None) -> str | None:
    """The compiler that links for a target.

    Args:
        target: The target.
        named: The one that somebody asked for.

    Returns:
        A name or path that can be run; None where there is none here.
    """
    if named is not None:
        return named
    architecture = architecture_of(target)
    candidates = [f"{architecture}-linux-gnu-g++"] if is_foreign(target) else ["g++"]
    return next((name for name in candidates if shutil.which(name)), None)
