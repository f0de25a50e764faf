"""What targets are called, and which are near-equal: of one kind and architecture, with other flags. Never mixed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tunedb.records import Target

_GPU = {"max_num_threads": 1024, "thread_warp_size": 32}
# What TVM adds where a target does not say it.
_ADDED: dict[str, dict[str, object]] = {
    "cuda": {"keys": ["cuda", "gpu"], **_GPU},
    "nvptx": {"keys": ["cuda", "gpu"], **_GPU},
    "rocm": {"keys": ["rocm", "gpu"], "max_num_threads": 256, "thread_warp_size": 64},
    "opencl": {"keys": ["opencl", "gpu"], "max_num_threads": 256, "thread_warp_size": 1},
    "vulkan": {"keys": ["vulkan", "gpu"], "max_num_threads": 256, "thread_warp_size": 1},
    "metal": {"keys": ["metal", "gpu"], "max_num_threads": 256, "thread_warp_size": 16},
    "c": {"keys": ["cpu"]},
}


def target_label(target: Target) -> str:
    """A target's name for people, its kind, architecture and cores: "llvm znver5 8 cores"."""
    cores = "" if target.num_cores is None else f"{target.num_cores} core{'' if target.num_cores == 1 else 's'}"
    return " ".join(part for part in (target.kind, target.arch, cores) if part)


def family(target: Target) -> str:
    """What near-equal targets have in common: "llvm znver5"."""
    return f"{target.kind} {target.arch}".strip()


def near(targets: Sequence[Target], target: Target) -> list[Target]:
    """The targets that are near-equal to another, those that differ least first.

    Args:
        targets: the targets to choose from.
        target: the target that they are like; it is left out.
    """
    alike = [row for row in targets if family(row) == family(target) and row.target_id != target.target_id]
    return sorted(alike, key=lambda row: (len(differences(target, row)), row.target_id))


def differences(one: Target, other: Target) -> dict[str, tuple[object, object]]:
    """The fields in which two targets differ, with both values; None where a target has not that field."""
    fields, others = json.loads(one.text), json.loads(other.text)
    names = sorted(fields.keys() | others.keys())
    return {name: (fields.get(name), others.get(name)) for name in names if fields.get(name) != others.get(name)}


def essence(target: Target) -> dict[str, object]:
    """A target's fields without those that TVM adds by itself: two that agree in the rest mean the same."""
    fields = json.loads(target.text)
    added = _ADDED.get(target.kind, {})
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith("feature.") and (name not in added or added[name] != value)
    }


def described(target: Target, among: Sequence[Target]) -> str:
    """In what a target differs from those that are near-equal to it: "num-cores=8".

    Args:
        target: the target to be described.
        among: all targets that there are.

    Returns:
        The target's own values of the fields in which they differ; "" where none is near-equal.
    """
    names = {name for other in near(among, target) for name in differences(target, other)}
    fields = json.loads(target.text)
    return " ".join(f"{name}={brief(fields.get(name))}" for name in sorted(names))


def brief(value: object) -> str:
    """A field of a target as short text, "-" for one that it has not; of a host, its kind and architecture."""
    if isinstance(value, str | None):
        return value or "-"
    if isinstance(value, dict):  # a host
        return " ".join(str(value[name]) for name in ("kind", "mcpu") if name in value)
    return json.dumps(value, separators=(",", ":"))
