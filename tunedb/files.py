"""New files that are whole or not there: written beside their places, and put there when all of them are done."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tunedb.errors import StoreError, UsageError, first_line


class NewFiles:
    """Where to write files that are to stand elsewhere once all of them are whole."""

    def __init__(self, paths: Sequence[Path]) -> None:
        token = secrets.token_hex(4)
        self.paths = list(paths)
        self.parts = [path.with_name(f".{path.name}.{token}.part") for path in paths]
        self.are_wanted = True  # False drops them in the end, without an error


@contextmanager
def new_files(*paths: Path) -> Iterator[NewFiles]:
    """Makes files that nobody sees before all of them are whole and on disk; an error or a signal leaves nothing.

    Folders that are missing are made, and go again if the files do not come about. A file that is there is never
    replaced, even one that another process made meanwhile.

    Args:
        paths: the places of the files.

    Yields:
        Where to write each of them.

    Raises:
        UsageError: one of them is there already.
        StoreError: they cannot be written.
    """
    files = NewFiles(paths)
    placed: list[Path] = []
    made: list[Path] = []
    done = False
    try:
        for path in paths:
            if os.path.lexists(path):
                raise UsageError(f"{path} is there already, and is not replaced")
            _make_folder(path.parent, made)
        yield files
        if files.are_wanted:
            for part in files.parts:
                _flush(part)
            for part, path in zip(files.parts, paths, strict=True):
                _place(part, path)
                placed.append(path)
            for folder in {path.parent for path in paths}:
                _flush(folder)
            done = True
    except FileExistsError as error:
        raise UsageError(f"{error.filename2 or error.filename} is there already, and is not replaced") from error
    except StoreError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else first_line(error)
        raise StoreError(f"cannot write {paths[0]}: {reason}") from error
    finally:
        for leftover in (*files.parts, *([] if done else placed)):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
        for folder in [] if done else reversed(made):
            with suppress(OSError):
                folder.rmdir()


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file in the place of the one that is there, if any; readers see either of them whole.

    Args:
        path: the file; folders that are missing are made.
        content: what will be in it.

    Raises:
        StoreError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        made.append(one)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(part: Path, path: Path) -> None:
    """Gives a file its name, unless there is one of that name: a link fails then, where a renaming would replace it."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(None, "is there already", str(path)) from None
        part.rename(path)
