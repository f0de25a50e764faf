"""The containers of files that may be logs, found below the paths that a person gives."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tunedb.ingest.archives import Tar, Zip
from tunedb.ingest.containers import Container, Folder, Single, unpacked
from tunedb.ingest.formats.detect import (
    COMPRESSED_SUFFIXES,
    TAR_SUFFIXES,
    ZIP_SUFFIX,
    Format,
    detect,
    partner_name,
    plain_name,
)
from tunedb.ingest.formats.origins import origins_name
from tunedb.ingest.names import written
from tunedb.ingest.report import Skipped
from tunedb.ingest.unpack import READ_ERRORS
from tunedb.records import Rejected

_COPIED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A container, and which of its files were asked for by name."""

    container: Container
    explicit: frozenset[str] = frozenset()  # names; a file that is no log is an error only among these
    expects_logs: bool = True  # whether it is an error if it has none
    is_one_of_many: bool = False  # whether it is an archive that was found in a folder


STDIN = "<stdin>"


def find(paths: Iterable[str | Path | BinaryIO]) -> Iterator[Found | Rejected | Skipped]:
    """Finds the containers below some paths.

    A folder is walked recursively, in a fixed order, without following links to folders. A single file comes with
    the workload file that belongs to it. A stream goes to a temporary file first: containers are read twice.

    Args:
        paths: the paths of files, archives and folders, or streams of what a file may hold.

    Yields:
        A container, what is wrong with a path that leads to none, or a folder that is not looked into.
    """
    singles: dict[Path, list[Path]] = {}
    for given in paths:
        if not isinstance(given, str | Path):
            with tempfile.TemporaryDirectory(prefix="tunedb-") as folder:
                spooled = Path(folder, "stdin")
                with spooled.open("wb") as out:
                    shutil.copyfileobj(given, out, _COPIED_BYTES)
                container = _archive(spooled, STDIN) or Single(STDIN, spooled)
                yield Found(container, frozenset([STDIN]))
            continue
        path = Path(given)
        try:
            is_folder, is_file, is_there = path.is_dir(), path.is_file(), path.exists()
        except OSError as error:  # such as a name that is too long
            yield Rejected(written(str(given)), 0, f"cannot be looked at: {error.strerror}")
            continue
        if is_folder:
            yield from _walk(path)
        elif is_file:
            singles.setdefault(path.parent, []).append(path)
        else:
            reason = "neither a file nor a folder" if is_there else "there is no such file or folder"
            yield Rejected(written(str(given)), 0, reason)
    for parent, files in singles.items():
        archives = {file: archive for file in files if (archive := _archive(file, written(str(file))))}
        yield from map(Found, archives.values())
        rest = [file for file in files if file not in archives]
        if rest:
            together = sorted({*rest, *(partner for file in rest for partner in _partners(file))})
            names = frozenset(plain_name(file.name) for file in rest)
            yield Found(
                Folder(written(str(parent)), parent, tuple(together)), names, expects_logs=False
            )  # each that is none is named


def _walk(root: Path) -> Iterator[Found | Rejected | Skipped]:
    problems: list[OSError] = []
    files: list[Path] = []
    for folder, subfolders, names in os.walk(root, onerror=problems.append):
        if Path(folder, "trials", "_delta_log").is_dir():
            subfolders.clear()
            yield Skipped(written(folder), "a store, which `tunedb merge` reads")
            continue
        subfolders.sort()
        files.extend(path for path in (Path(folder, name) for name in sorted(names)) if path.is_file())
    archives = {file: archive for file in files if (archive := _archive(file, written(str(file))))}
    for problem in problems:
        reason = f"the folder cannot be read: {problem.strerror}"
        yield Rejected(written(str(problem.filename)), 0, reason)
    for archive in archives.values():
        yield Found(archive, expects_logs=False, is_one_of_many=True)
    rest = tuple(file for file in files if file not in archives)
    yield Found(Folder(written(str(root)), root, rest), expects_logs=not archives)


def _partners(file: Path) -> Iterator[Path]:
    name = plain_name(file.name)
    for partner in filter(None, (partner_name(name), origins_name(name))):
        candidates = (file.with_name(partner + suffix) for suffix in ("", *COMPRESSED_SUFFIXES))
        yield from (candidate for candidate in candidates if candidate.is_file())


def _archive(file: Path, uri: str) -> Container | None:
    """The archive that a file is by its content, or says that it is by its name; None if it is none."""
    if file.name.lower().endswith(TAR_SUFFIXES):
        return Tar(uri, file)
    if file.name.lower().endswith(ZIP_SUFFIX):
        return Zip(uri, file)
    try:
        with file.open("rb") as raw:
            form = detect("", unpacked(raw)[0].peek(512)[:512])
    except READ_ERRORS:  # it is told when the file is read
        return None
    return {Format.TAR: Tar(uri, file), Format.ZIP: Zip(uri, file)}.get(form)
