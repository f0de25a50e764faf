"""Taking in a model from elsewhere: a changed byte in a tree can crash or hang the process that parses it.

So a child process with limits on memory and time loads the model and lets it predict; only a model that survives
that is copied into the store, with a manifest of the bytes that were tried.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from costmodels.registry.manifest import MANIFEST, Manifest, file_hashes, load_verified, read_manifest, store_folder
from tunedb.errors import ChildDiedError, ModelError
from tunedb.processes import Child, Limits
from tunedb.store.contract import Store

_LIMITS = Limits(memory_bytes=4 << 30, cpu_secs=60)
_TIMEOUT_SECS = 120.0
_ROWS = 64


def adopt(store: Store, folder: Path) -> tuple[Path, Manifest]:
    """Copies a model into the store's folder, after a child process has loaded it and asked it for predictions.

    Files that do not match the folder's manifest are taken nevertheless if they pass: that is what adopting is for. The
    name says so by its hash.

    Returns:
        The model's folder in the store, and its manifest.

    Raises:
        ModelError: there is no manifest, it is for other features, it did not survive, or it is there already.
    """
    root = store_folder(store)
    if root is None:
        raise ModelError(f"models are kept in the store's folder, and {store.url} has none on this machine")
    given = read_manifest(folder)
    unfinished = root / "models" / f".unfinished-{uuid.uuid4().hex}"
    unfinished.mkdir(parents=True)
    try:
        for name in given.files:
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name} is in the model's manifest and missing")
            (unfinished / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, unfinished / name)
        files = file_hashes(unfinished)
        manifest = msgspec.structs.replace(given, files=files)
        if files != given.files:
            manifest = msgspec.structs.replace(manifest, name=f"{given.name}-changed-{uuid.uuid4().hex[:8]}")
        (unfinished / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _try_in_child(unfinished, folder)
        directory = unfinished.with_name(manifest.name)
        if directory.exists():
            raise ModelError(f"{directory}: the store has this model already")
        unfinished.rename(directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return directory, manifest


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
            _try(Path(attempt.folder))
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
        raise ModelError(f"{folder}: {verdict.objection}")


def _try(folder: Path) -> None:
    """Loads a model and lets it predict rows of small numbers."""
    import numpy as np

    from costmodels.features import DEFAULT

    model, _ = load_verified(folder)
    rows = np.random.default_rng(0).uniform(-1, 30, size=(_ROWS, len(DEFAULT.names())))
    predicted = model.predict(rows)
    if not (np.isfinite(predicted.mean).all() and (predicted.std > 0).all()):
        raise ModelError("its predictions are not finite")
