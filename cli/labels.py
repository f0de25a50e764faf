"""Short names of targets and machines for tables and progress; JSON output has the whole thing."""

from __future__ import annotations

import json

from tunedb.program.targets import target_label
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Target

__all__ = ["SHORT_HASH", "hardware_label", "measured_label", "short", "target_label"]

SHORT_HASH = 12
"""Digits of a hash in text output: enough to be unique in practice, and any unique prefix is understood."""


def short(identity: str) -> str:
    """The start of a hash."""
    return identity[:SHORT_HASH]


def measured_label(target: Target, conditions: str) -> str:
    """The target, and how measurements of it differed from those like any other."""
    if conditions == DEFAULT_CONDITIONS:
        return target_label(target)
    told = ", ".join(f"{name}={value}" for name, value in json.loads(conditions).items())
    return f"{target_label(target)} ({told})"


def hardware_label(hardware: Hardware | None) -> str:
    """The machine's name and cores."""
    if hardware is None:
        return "unknown"
    return hardware.name if hardware.num_cores is None else f"{hardware.name} ({hardware.num_cores} cores)"
