"""TVM releases, by their version texts: their order, and which one is installed."""

from __future__ import annotations

import importlib.metadata
import re


def release_order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """A key that sorts versions by release: "" < "0.9.0" < "0.13.dev0" < "0.13.0" < "0.27.0.post1"."""
    number = re.match(r"\d+(?:\.\d+)*", version)
    parts = tuple(int(part) for part in number[0].split(".")) if number else ()
    return parts + (0,) * (4 - len(parts)) if parts else (), "dev" not in version, version


def installed(package: str) -> str:
    """The release of an installed package, without importing it; "" where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def installed_release() -> str:
    """The release of the installed wheel of TVM."""
    return installed("apache-tvm")
