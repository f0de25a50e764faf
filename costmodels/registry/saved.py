"""Where models are kept: among the files of a store (`models/<name>/`), or in a folder by itself.

A model is there when its manifest is, which is written last and removed first.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from costmodels.model import CostModel
from costmodels.registry.manifest import MANIFEST, Manifest, Optimized, TrainedOn, packed, read_manifest, unpacked
from tunedb.errors import ModelError, NotFoundError, StoreError
from tunedb.store.contract import Store

MODELS = "models"
"""The folder of all models among a store's files."""
_GZ = ".gz"  # a fifth larger than .xz would be, and read in a sixth of the time, for which a search waits
_MOST_BYTES = 256 << 20
_GZIP = 31  # zlib's word for that form


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model that a store has."""

    manifest: Manifest
    folder: str  # among the store's files
    location: str  # of that folder, for people: a path or URL


def save_model(
    store: Store,
    model: CostModel,
    *,
    trained_on: TrainedOn,
    seed: int,
    metrics: Mapping[str, float] | None = None,
    split: str = "",
    optimized: Optimized | None = None,
) -> SavedModel:
    """Saves a fitted model in a store.

    Args:
        store: the store that the model is kept in.
        model: the model.
        trained_on: the snapshot that it learned from.
        seed: of its training.
        metrics: how good it is, by name.
        split: how those were had.
        optimized: how its hyper-parameters were chosen, if they were.

    Raises:
        StoreError: the store cannot be written.
    """
    manifest, files = packed(
        model,
        trained_on=trained_on,
        seed=seed,
        metrics=metrics,
        split=split,
        optimized=optimized,
        created_at=datetime.now(UTC),
    )
    return write_model(store, manifest, files)


def write_model(store: Store, manifest: Manifest, files: Mapping[str, bytes]) -> SavedModel:
    """Writes a model's files, and its manifest when they are there; what fails leaves nothing.

    Raises:
        StoreError: the store cannot be written.
    """
    folder = f"{MODELS}/{manifest.name}"
    written: list[str] = []
    try:
        for name, content in {**files, MANIFEST: manifest.encoded()}.items():
            written.append(f"{folder}/{name}")
            store.artifacts.write(written[-1], content)
    except BaseException:
        for name in reversed(written):
            store.artifacts.delete(name)
        raise
    return SavedModel(manifest, folder, store.artifacts.location(folder))


def read_models(store: Store) -> tuple[list[SavedModel], list[ModelError]]:
    """The models of a store, oldest first, and what is wrong with those whose manifests cannot be read."""
    found: list[SavedModel] = []
    unreadable: list[ModelError] = []
    for name in store.artifacts.names(MODELS):
        folder, _, last = name.rpartition("/")
        if last != MANIFEST or folder.count("/") != 1:
            continue
        try:
            where = store.artifacts.location(name)
            manifest = read_manifest(_read(store, name), where)
            if folder != f"{MODELS}/{manifest.name}":
                raise ModelError(f"{where}: it is the manifest of {manifest.name}, whose folder is named like it")
            found.append(SavedModel(manifest, folder, store.artifacts.location(folder)))
        except ModelError as error:
            unreadable.append(error)
    return sorted(found, key=lambda saved: saved.manifest.created_at), unreadable


def load_saved(store: Store, saved: SavedModel) -> CostModel:
    """Loads a model of a store, after every file was checked against its manifest.

    Raises:
        ModelError: a file is missing, cannot be read, or does not match.
    """
    return unpacked(saved.manifest, saved_files(store, saved), saved.location)


def saved_files(store: Store, saved: SavedModel) -> dict[str, bytes]:
    """All that lies with a model's manifest, by name.

    Raises:
        ModelError: a file cannot be read.
    """
    begin = f"{saved.folder}/"
    names = [name.removeprefix(begin) for name in store.artifacts.names(saved.folder)]
    return {name: _read(store, begin + name) for name in names if name != MANIFEST}


def _read(store: Store, name: str) -> bytes:
    try:
        return store.artifacts.read(name)
    except (NotFoundError, StoreError) as error:
        raise ModelError(str(error)) from error


def load_folder(folder: Path) -> tuple[CostModel, Manifest]:
    """Loads a model from a folder, after every file was checked against its manifest.

    Raises:
        ModelError: a file is missing, cannot be read, or does not match.
    """
    manifest, files = read_folder(folder)
    return unpacked(manifest, files, str(folder)), manifest


def read_folder(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """A model's manifest, and all else that lies in its folder, by name; nothing is checked yet.

    What ends in .gz is unpacked, and named without that.

    Raises:
        ModelError: the manifest is missing or cannot be read, or a file cannot, or is too large.
    """
    try:
        manifest = read_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
        paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
        named = {path.relative_to(folder).as_posix(): path for path in paths}
        contents = {name: path.read_bytes() for name, path in named.items() if name != MANIFEST}
    except OSError as error:
        raise ModelError(f"{folder}: {error}") from error
    return manifest, {
        name.removesuffix(_GZ): _unpacked(content, folder / name) if name.endswith(_GZ) else content
        for name, content in contents.items()
    }


def _unpacked(content: bytes, path: Path) -> bytes:
    """What was compressed, unless it is larger than any model."""
    reader = zlib.decompressobj(_GZIP)
    try:
        found = reader.decompress(content, _MOST_BYTES)
    except zlib.error as error:
        raise ModelError(f"{path}: {error}; is the file whole?") from error
    if not reader.eof:
        raise ModelError(f"{path}: it is cut off, or larger than {_MOST_BYTES >> 20} MiB")
    return found


def write_folder(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Writes a model into an empty folder, compressed, its manifest last."""
    compressed = {f"{name}{_GZ}": gzip.compress(content, mtime=0) for name, content in files.items()}
    for name, content in {**compressed, MANIFEST: manifest.encoded()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
