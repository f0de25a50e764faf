"""Any path that a file system allows, for libraries that take paths for URLs, patterns or columns.

Delta Lake parses a path as a URL, so that `%`, brackets, backslashes, control characters and names that are not UTF-8
lead elsewhere or nowhere; DuckDB takes `*?[` for a pattern and `a=b` for a column. What both take literally is left as
it is. Any other folder gets a plain name: a symbolic link in a folder of this process, which is gone at its end.

Delta Lake follows links when it opens a table, and never again. So it opens a real folder in which only the log is a
link, and when it is open, that folder becomes the link.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import deltalake
from deltalake import PostCommitHookProperties

from tunedb.errors import StoreError
from tunedb.store.delta.log import LOG, has_log
from tunedb.store.locations import is_url

_PLAIN = re.compile(r"/(?!.*%)[\w ./+,@~-]*")  # what every library takes literally
_lock = threading.Lock()
_numbers = count()
_links: dict[str, str] = {}  # by folder
_folders: dict[str, str] = {}  # by link


def literal(folder: str) -> str:
    """A name of a local folder that Delta Lake and DuckDB take literally: its own, or a link's."""
    real = os.path.realpath(folder)
    if is_plain(real):
        return real
    with _lock:
        if real not in _links:
            link = f"{_aliases()}/{next(_numbers)}"
            Path(link).symlink_to(real)
            _links[real], _folders[link] = link, real
        return _links[real]


def is_plain(path: str) -> bool:
    """Whether libraries take a path literally."""
    return _PLAIN.fullmatch(path) is not None and path.isprintable()


def with_real_names(text: str) -> str:
    """A library's message, with the folders' own names where it has links'."""
    for link in sorted(_folders, key=len, reverse=True):
        text = text.replace(link, _folders[link])
    return text


@contextmanager
def opening(url: str) -> Iterator[str]:
    """What to give to Delta Lake for a table that it opens, makes, or whose log it reads or sums up from the start.

    Args:
        url: an absolute path or a URL.
    """
    if is_url(url) or is_plain(real := os.path.realpath(url)):
        yield url
        return
    log = Path(real, LOG)
    log.mkdir(parents=True, exist_ok=True)
    alias = Path(f"{literal(real)}-{next(_numbers)}")
    alias.mkdir()
    (alias / LOG).symlink_to(log)
    try:
        yield str(alias)
    finally:
        (alias / LOG).unlink()
        alias.rmdir()
        alias.symlink_to(real)
        _folders[str(alias)] = real


def is_table(url: str, options: dict[str, str] | None = None) -> bool:
    """Whether a Delta table is there, whole or not.

    Args:
        url: an absolute path or a URL.
        options: how to reach it, in Delta Lake's terms.
    """
    return bool(deltalake.DeltaTable.is_deltatable(url, options)) if is_url(url) else has_log(Path(url))


def open_table(url: str, options: dict[str, str] | None = None, version: int | None = None) -> deltalake.DeltaTable:
    """A Delta table as it stands now, or as it was.

    Args:
        url: an absolute path or a URL.
        options: how to reach it, in Delta Lake's terms.
        version: an earlier version.

    Raises:
        TableNotFoundError: it is not there.
        DeltaError: it cannot be read.
    """
    if not is_url(url) and not has_log(Path(url)):
        raise deltalake.exceptions.TableNotFoundError(f"no Delta table at {url}")
    with opening(url) as name:
        return deltalake.DeltaTable(name, version=version, storage_options=options)


def make_table(url: str, options: dict[str, str] | None = None, **form: Any) -> deltalake.DeltaTable:
    """Makes a Delta table if it is not there.

    Args:
        url: an absolute path or a URL.
        options: how to reach it, in Delta Lake's terms.
        form: what else `deltalake.DeltaTable.create` is told.
    """
    with opening(url) as name:
        return deltalake.DeltaTable.create(name, mode="ignore", storage_options=options, **form)


def sum_up(url: str, options: dict[str, str] | None = None) -> None:
    """Writes a checkpoint of a table's newest version."""
    with opening(url) as name:
        deltalake.DeltaTable(name, storage_options=options).create_checkpoint()


def history(url: str, options: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What Delta Lake says of each commit whose record is still there, newest first."""
    with opening(url) as name:
        return deltalake.DeltaTable(name, storage_options=options).history()


def hooks(url: str) -> PostCommitHookProperties | None:
    """What a commit does besides: no checkpoint where the log has a link's name, which only `sum_up` gets right."""
    return None if is_url(url) or is_plain(os.path.realpath(url)) else PostCommitHookProperties(create_checkpoint=False)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - a folder of our own in it
        if is_plain(os.path.realpath(base)) and os.access(base, os.W_OK):
            return tempfile.TemporaryDirectory(prefix="tunedb-", dir=os.path.realpath(base))
    raise StoreError("no folder for temporary files has a plain name: set TMPDIR to one of letters and digits")


def _aliases() -> str:
    return _folder().name
