"""Named files that belong to a store: saved models, features, runs' funnels. In its folder, object store, or memory.

Names are relative and made of plain parts ("models/NAME/manifest.json"). What a name means is decided by those who
write it: `costmodels.registry`, `costmodels.extraction` and `search.funnels`. Importing this imports neither
Arrow nor Delta Lake.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from typing_extensions import override

from tunedb.errors import NotFoundError, StoreError, UsageError, first_line
from tunedb.store.locations import is_url

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


class Artifacts(ABC):
    """Files of a store, by name.

    A file appears under its name when it is whole, and not before; several processes may write, and threads may share
    one of these. Two that write the same name at once leave one of the two contents. What consists of several files
    becomes visible by the one that its readers look for, which is therefore written last.
    """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of all files below a folder, sorted; each begins with the folder.

        Args:
            folder: the first parts of the names: "models".

        Raises:
            StoreError: the store cannot be read.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            NotFoundError: there is no such file.
            StoreError: it cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Writes a file, in the place of one of that name if there is one.

        Raises:
            UsageError: the name is not made of plain parts.
            StoreError: it cannot be written.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Removes a file if it is there.

        Raises:
            StoreError: it cannot be removed.
        """

    @abstractmethod
    def location(self, name: str) -> str:
        """Where a file or a folder of files is, for people: a path or URL."""


def checked_name(name: str) -> str:
    """The name, if all of its parts are plain.

    Raises:
        UsageError: one is empty, begins with a dot, or has other characters than letters, digits, and `._+-`.
    """
    if not _is_plain(name):
        raise UsageError(f"{name!r} cannot be the name of a file of a store")
    return name


class MemoryArtifacts(Artifacts):
    """Files that are kept for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, bytes] = {}

    @override
    def names(self, folder: str) -> list[str]:
        with self._lock:
            return sorted(name for name in self._files if name.startswith(f"{folder}/"))

    @override
    def read(self, name: str) -> bytes:
        with self._lock:
            if name not in self._files:
                raise NotFoundError(f"the store has no file {name!r}", kind="file", asked=name)
            return self._files[name]

    @override
    def write(self, name: str, content: bytes) -> None:
        with self._lock:
            self._files[checked_name(name)] = bytes(content)

    @override
    def delete(self, name: str) -> None:
        with self._lock:
            self._files.pop(name, None)

    @override
    def location(self, name: str) -> str:
        return f"memory:{name}"


class FolderArtifacts(Artifacts):
    """Files below a folder.

    Args:
        root: the store's folder; the files stand beside its tables.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def names(self, folder: str) -> list[str]:
        begin = self._root / checked_name(folder)
        with _explained(f"list {begin}"):
            if not begin.is_dir():
                return []
            found = (path.relative_to(self._root).as_posix() for path in begin.rglob("*") if path.is_file())
            return sorted(name for name in found if _is_plain(name))

    @override
    def read(self, name: str) -> bytes:
        path = self._root / checked_name(name)
        with _explained(f"read {path}"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise NotFoundError(f"the store has no file {path}", kind="file", asked=name) from error

    @override
    def write(self, name: str, content: bytes) -> None:
        path = self._root / checked_name(name)
        with _explained(f"write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
            try:
                with unfinished.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)

    @override
    def delete(self, name: str) -> None:
        path = self._root / checked_name(name)
        with _explained(f"remove {path}"):
            path.unlink(missing_ok=True)
            for folder in path.parents:  # what is empty now says nothing
                if folder == self._root:
                    break
                with contextlib.suppress(OSError):
                    folder.rmdir()

    @override
    def location(self, name: str) -> str:
        return str(self._root / name)


class ObjectStoreArtifacts(Artifacts):
    """Files of an object store, reached as Delta Lake reaches the tables there.

    Args:
        url: of the store.
        storage_options: how to reach it, in Delta Lake's terms.
    """

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._url = url.rstrip("/")
        self._options = None if storage_options is None else dict(storage_options)
        self._lock = threading.Lock()
        self._opened: Any = None  # a pyarrow.fs.FileSystem

    def _files(self) -> Any:
        with self._lock:
            if self._opened is None:
                from deltalake.fs import DeltaStorageHandler
                from pyarrow.fs import PyFileSystem

                self._opened = PyFileSystem(DeltaStorageHandler(self._url, self._options))
            return self._opened

    @override
    def names(self, folder: str) -> list[str]:
        from pyarrow.fs import FileSelector, FileType

        with _explained(f"list {self.location(folder)}"):
            found = self._files().get_file_info(
                FileSelector(checked_name(folder), allow_not_found=True, recursive=True)
            )
            paths = [PurePosixPath(info.path) for info in found if info.type == FileType.File]
            names = [str(path).lstrip("/") for path in paths]
            return sorted(name for name in names if name.startswith(f"{folder}/") and _is_plain(name))

    @override
    def read(self, name: str) -> bytes:
        with _explained(f"read {self.location(name)}"):
            try:
                with self._files().open_input_stream(checked_name(name)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError as error:
                raise NotFoundError(f"the store has no file {self.location(name)}", kind="file", asked=name) from error

    @override
    def write(self, name: str, content: bytes) -> None:
        # Not by way of Arrow's stream, which hands on buffers, where the one below takes bytes only.
        with _explained(f"write {self.location(name)}"):
            stream = self._files().handler._handler.open_output_stream(checked_name(name), None)
            stream.write(content)
            stream.close()

    @override
    def delete(self, name: str) -> None:
        with _explained(f"remove {self.location(name)}"), contextlib.suppress(FileNotFoundError):
            self._files().delete_file(checked_name(name))

    @override
    def location(self, name: str) -> str:
        return f"{self._url}/{name}"


def artifacts_at(url: str, storage_options: Mapping[str, str] | None = None) -> Artifacts:
    """The files beside the tables of a store at a folder or URL.

    Args:
        url: an absolute path, or a URL that Delta Lake knows.
        storage_options: for a URL, how to reach it, in Delta Lake's terms.
    """
    return ObjectStoreArtifacts(url, storage_options) if is_url(url) else FolderArtifacts(Path(url))


def _is_plain(name: str) -> bool:
    return all(_PART.fullmatch(part) for part in name.split("/"))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns an `OSError` of the file system into `StoreError` with a text that names what was being done."""
    try:
        yield
    except (StoreError, NotFoundError, UsageError):
        raise
    except OSError as error:
        raise StoreError(f"cannot {what}: {os.strerror(error.errno) if error.errno else first_line(error)}") from error
