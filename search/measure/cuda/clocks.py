"""How fast a GPU may run, as its owner set it: power limit and clocks, asked of nvidia-smi. No TVM.

What differs from the GPU's own defaults is a condition of measurement: trials under it are not mixed with others. What
holds for the moment only, such as heat, is said and not stored; the reference kernels tell what it costs.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Sequence

_LOG = logging.getLogger(__name__)

_TOOL = "nvidia-smi"
_TIMEOUT_SECS = 10.0
# What is asked, and where it may have been set: the value, its default, and the condition's name.
_SETTINGS = (
    ("power.limit", "power.default_limit", "power_limit_watts"),
    ("clocks.applications.graphics", "clocks.default_applications.graphics", "sm_clock_mhz"),
    ("clocks.applications.memory", "clocks.default_applications.memory", "memory_clock_mhz"),
)
_SLOWED = {  # bits of clocks_event_reasons.active that are no one's wish
    0x0000000000000008: "a hardware slowdown",
    0x0000000000000020: "heat (software)",
    0x0000000000000040: "heat (hardware)",
    0x0000000000000080: "the power brake",
}
_REASONS = "clocks_throttle_reasons.active"  # of all drivers; newer ones name it clocks_event_reasons, too
FIELDS = (*(name for value, default, _ in _SETTINGS for name in (value, default)), _REASONS)


def settings(uuid: str) -> dict[str, int]:
    """The settings of a GPU that are not its defaults, as conditions of measurement.

    Args:
        uuid: The GPU's, as NVIDIA's tools name it.

    Returns:
        By name, in whole watts and MHz; empty where nothing differs, or nvidia-smi cannot tell.
    """
    answer = _asked(uuid)
    found = settings_of(answer)
    if reasons := slowed_by(answer):
        _LOG.warning("GPU %s runs slower at the moment because of %s", uuid, " and ".join(reasons))
    return found


def settings_of(answer: Sequence[str]) -> dict[str, int]:
    """What nvidia-smi answers to FIELDS, as conditions; what it does not know ("[N/A]") is left out."""
    told = dict(zip(FIELDS, answer, strict=False))
    found = {}
    for value, default, name in _SETTINGS:
        now, usual = _whole(told.get(value, "")), _whole(told.get(default, ""))
        if now is not None and usual is not None and now != usual:
            found[name] = now
    return found


def slowed_by(answer: Sequence[str]) -> list[str]:
    """Why a GPU runs slower than it was set to, by what nvidia-smi answers to FIELDS."""
    told = dict(zip(FIELDS, answer, strict=False)).get(_REASONS, "")
    try:
        bits = int(told, 16)
    except ValueError:
        return []
    return [reason for bit, reason in _SLOWED.items() if bits & bit]


def _asked(uuid: str) -> list[str]:
    tool = shutil.which(_TOOL)
    if tool is None or not uuid:
        return []
    command = [tool, f"--id={uuid}", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        _LOG.info("nvidia-smi does not tell the clocks of %s: %s", uuid, error)
        return []
    return [part.strip() for part in done.stdout.strip().split(",")]


def _whole(text: str) -> int | None:
    try:
        return round(float(text))
    except ValueError:
        return None
