"""What the verbs of a service share: that it is installed, and where it keeps its tokens."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from tunedb.errors import UsageError

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "jinja2", "altair", "vl_convert")


def needed() -> None:
    """Whether what a service takes is installed.

    Raises:
        UsageError: it is not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(f"a service takes {', '.join(missing)}: pip install 'tunedb[service]'")


def state_folder(told: Path | None) -> Path:
    """The folder of a service's tokens and audit log.

    Args:
        told: by the user; None takes the place that the XDG base directory specification has for it.

    Raises:
        UsageError: this user has no home.
    """
    if told is not None:
        return told.expanduser()
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise UsageError("this user has no home folder: give --state") from error
    return folder / "tunedb" / "service"


def cache_folder() -> Path | None:
    """The folder of what was counted in stores, by the XDG specification; None where this user has no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return folder / "tunedb" / "dashboard"
