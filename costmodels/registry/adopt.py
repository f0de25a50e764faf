"""Taking in a model from elsewhere, of which nothing is believed.

Its files are plain ones, its structure is checked as at every load, and a child process with limits on memory and time
loads it and lets it predict first, should a library stumble over what was not thought of. Only a model that survives
that is copied into the store, with a manifest of the bytes that were tried.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from costmodels.registry.manifest import file_hashes
from costmodels.registry.saved import SavedModel, load_folder, read_folder, read_models, write_folder, write_model
from tunedb.errors import ChildDiedError, ModelError
from tunedb.processes import Child, Limits
from tunedb.store.contract import Store

_LIMITS = Limits(memory_bytes=4 << 30, cpu_secs=60)
_TIMEOUT_SECS = 120.0
_LARGEST_BYTES = 1 << 29


def adopt(store: Store, folder: Path) -> SavedModel:
    """Copies a model into a store, after a child process has loaded it and asked it for predictions.

    Files that do not match the folder's manifest are taken nevertheless if they pass: that is what adopting is for. The
    name then has a suffix.

    Args:
        store: the store that the model is to be kept in.
        folder: the model, as a store on disk keeps one.

    Raises:
        ModelError: there is no manifest, it is for other features, it did not survive, or it is there already.
        StoreError: the store cannot be written.
    """
    _check_plain(folder)
    given, files = read_folder(folder)
    if missing := [name for name in given.files if name not in files]:
        raise ModelError(f"{folder / missing[0]} is in the model's manifest and missing")
    files = {name: files[name] for name in given.files}
    hashes = file_hashes(files)
    manifest = msgspec.structs.replace(given, files=hashes)
    if hashes != given.files:
        manifest = msgspec.structs.replace(manifest, name=f"{given.name[:100]}-changed-{uuid.uuid4().hex[:8]}")
    with tempfile.TemporaryDirectory(prefix="tunedb-") as copy:
        write_folder(Path(copy), manifest, files)
        _try_in_child(Path(copy), folder)
    if any(saved.manifest.name == manifest.name for saved in read_models(store)[0]):
        raise ModelError(f"{manifest.name}: the store has this model already")
    return write_model(store, manifest, files)


class Attempt(msgspec.Struct):
    """A folder with a model that is to be tried."""

    folder: str


class Verdict(msgspec.Struct):
    """How that went."""

    objection: str = ""  # empty when the model loads and predicts


def try_each(attempts: Iterator[Attempt]) -> Iterator[Verdict]:
    """What the child does: loads each model that it is sent, and asks it for predictions."""
    for attempt in attempts:
        try:
            load_folder(Path(attempt.folder))
        except ModelError as error:
            yield Verdict(str(error))
        except Exception as error:
            yield Verdict(f"{type(error).__name__}: {error}".splitlines()[0])
        else:
            yield Verdict()


def _try_in_child(copy: Path, folder: Path) -> None:
    try:
        with closing(Child(try_each, Attempt, Verdict, limits=_LIMITS, is_silent=True)) as child:
            verdict = child.ask(Attempt(str(copy)), _TIMEOUT_SECS)
    except ChildDiedError as error:
        raise ModelError(f"{folder} was tried and refused: {error}") from error
    if verdict.objection:
        raise ModelError(verdict.objection.replace(str(copy), str(folder)))


def _check_plain(folder: Path) -> None:
    """Whether a folder holds plain files only: a link leads anywhere, and a pipe has no end."""
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ModelError(f"{path} is no plain file; a model is made of nothing else")
            if path.stat().st_size > _LARGEST_BYTES:
                raise ModelError(f"{path} has {path.stat().st_size:,} bytes, where a model's file has a few million")
    except OSError as error:
        raise ModelError(f"{folder}: {error.strerror or error}") from error
