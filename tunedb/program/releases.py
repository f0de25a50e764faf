"""The order of TVM releases, by their version texts."""

from __future__ import annotations

import re


def release_order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """A key that sorts versions by release: "" < "0.9.0" < "0.13.dev0" < "0.13.0" < "0.27.0.post1"."""
    number = re.match(r"\d+(?:\.\d+)*", version)
    parts = tuple(int(part) for part in number[0].split(".")) if number else ()
    return parts + (0,) * (4 - len(parts)) if parts else (), "dev" not in version, version
