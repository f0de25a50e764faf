"""A digest on disk, for the next process that looks at the same store: counting a million trials takes a second.

Only of a store in a folder, and only as long as nothing was added to it.
"""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from importlib.metadata import version as installed
from pathlib import Path
from typing import TypeVar

import msgspec

from tunedb.store.contract import Store
from tunedb.store.locations import is_service, is_url

_log = logging.getLogger(__name__)
_Kept = TypeVar("_Kept")


class Remembered:
    """Where the digest of a store is kept.

    Args:
        folder: of all stores' digests; it is made when it is needed, for its owner only.
        store: the store.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._url = folder, store.url
        self._path = folder / f"{blake2b(store.url.encode(), digest_size=12).hexdigest()}.msgpack"

    def _key(self, version: str) -> str:
        """What a digest is of: another store at the same place has commits of another time; "" where none is kept."""
        if is_url(self._url) or is_service(self._url) or not version.isdecimal():
            return ""
        try:
            commit = Path(self._url, "trials", "_delta_log", f"{int(version):020}.json").stat()
        except OSError:
            return ""
        return f"{installed('tunedb')} {self._url} {version} {commit.st_mtime_ns} {commit.st_ino}"

    def read(self, version: str, type_: type[_Kept]) -> _Kept | None:
        """What is kept of a version of the store; None where there is nothing."""
        key = self._key(version)
        try:
            told, content = msgspec.msgpack.decode(self._path.read_bytes(), type=tuple[str, msgspec.Raw])
            return msgspec.msgpack.decode(content, type=type_) if key and told == key else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.info("%s: %s", self._path, error)
            return None

    def write(self, version: str, made: object) -> None:
        """Keeps what was made of a version, in the place of what was kept before."""
        key = self._key(version)
        if not key:
            return
        unfinished = self._path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            content = msgspec.msgpack.encode((key, msgspec.Raw(msgspec.msgpack.encode(made))))
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            unfinished.replace(self._path)
        except OSError as error:  # the next one counts again
            _log.info("%s: %s", self._path, error)
            unfinished.unlink(missing_ok=True)
