"""The files that pages need: ours, and those that `assets/LICENSES.md` lists. Their URLs have their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_NAMES = (
    "app.js",
    "htmx.min.js",
    "icon.svg",
    "interactive.js",
    "style.css",
    "vega-interpreter.js",
    "vega-lite.min.js",
    "vega.min.js",
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file."""

    content: bytes
    media_type: str
    tag: str  # of its content


@cache
def assets() -> dict[str, Asset]:
    """All files by name."""
    folder = files("service.dashboard") / "assets"
    found = {}
    for name in _NAMES:
        content = (folder / name).read_bytes()
        tag = blake2b(content, digest_size=8).hexdigest()
        found[name] = Asset(content, _TYPES[name.rsplit(".", 1)[1]], tag)
    return found


def url(name: str) -> str:
    """A file's path; a file that changes has another."""
    return f"/dashboard/assets/{name}?v={assets()[name].tag}"
