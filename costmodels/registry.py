"""Where models live, and what must hold before one is loaded.

`<store>/models/<name>/` holds the model's own files and `manifest.json`: what it is, what it was trained on, how well
it did, and the SHA-256 of each file. A changed byte in LightGBM's text can crash the process, so nothing is parsed
that does not match its manifest. A folder appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import re
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from costmodels.features import per_store
from costmodels.model import CostModel
from costmodels.models import KINDS
from tunedb.errors import ModelError
from tunedb.records import Target
from tunedb.store import Store

_log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LIBRARIES = ("apache-tvm", "lightgbm", "numpy", "scikit-learn", "tunedb", "xgboost")


class TrainedOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The snapshot that a model learned from."""

    target_id: str
    target: str  # canonical JSON
    target_kind: str
    target_arch: str
    store_version: str
    num_trials: int
    num_workloads: int
    trial_ids_sha256: str  # of the sorted ids, one a line

    @classmethod
    def snapshot(
        cls, target: Target, store_version: str, trial_ids: Iterable[str], workload_ids: Iterable[str]
    ) -> TrainedOn:
        """Describes trials of one target."""
        ids = sorted(trial_ids)
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        return cls(
            target.target_id,
            target.text,
            target.kind,
            target.arch,
            store_version,
            len(ids),
            len(set(workload_ids)),
            digest,
        )


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json`."""

    name: str
    kind: str
    hyper_parameters: dict[str, float | int | str]
    seed: int
    feature_version: str
    trained_on: TrainedOn
    metrics: dict[str, float]
    split: str  # how `metrics` were had
    libraries: dict[str, str]
    created_at: datetime
    files: dict[str, str]  # SHA-256 in hex by plain file name


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model, ready to predict."""

    model: CostModel
    manifest: Manifest
    directory: Path
    target_id: str  # what was asked for

    @property
    def trained_on(self) -> TrainedOn:
        """The snapshot that it learned from."""
        return self.manifest.trained_on

    @property
    def transferred(self) -> bool:
        """Whether it was trained on another target than was asked for."""
        return self.trained_on.target_id != self.target_id

    def describe(self) -> str:
        """One line for people."""
        on = self.trained_on
        name = on.target_arch or on.target_kind
        transfer = f", transferred from {name}" if self.transferred else f" of {name}"
        return f"{self.manifest.name} ({on.num_trials} trials of {on.num_workloads} workloads{transfer})"


def store_folder(store: Store) -> Path | None:
    """The store's folder on this machine; None when it has none (in memory, object storage)."""
    parts = urlsplit(store.url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme or not store.url or store.url.startswith(":") else Path(store.url)


def save_model(
    store: Store,
    model: CostModel,
    *,
    trained_on: TrainedOn,
    seed: int,
    metrics: Mapping[str, float] | None = None,
    split: str = "",
) -> Path:
    """Writes a fitted model and its manifest into the store's folder.

    Returns:
        The model's folder.

    Raises:
        ModelError: the store has no folder on this machine.
    """
    root = store_folder(store)
    if root is None:
        raise ModelError(f"models are kept in the store's folder, and {store.url} has none on this machine")
    created = datetime.now(UTC)
    unfinished = root / "models" / f".unfinished-{uuid.uuid4().hex}"
    unfinished.mkdir(parents=True)
    try:
        model.save(unfinished)
        files = {path.name: _sha256(path) for path in sorted(unfinished.iterdir())}
        content = hashlib.sha256("".join(files.values()).encode()).hexdigest()
        arch = re.sub(r"[^A-Za-z0-9._-]", "", trained_on.target_arch or trained_on.target_kind)[:40]
        name = f"{model.kind}-{arch}-{created:%Y%m%dT%H%M%S%fZ}-{content[:8]}"
        manifest = Manifest(
            name=name,
            kind=model.kind,
            hyper_parameters=model.hyper_parameters,
            seed=seed,
            feature_version=per_store.FEATURE_VERSION,
            trained_on=trained_on,
            metrics=dict(metrics or {}),
            split=split,
            libraries={library: _version(library) for library in _LIBRARIES},
            created_at=created,
            files=files,
        )
        (unfinished / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        directory = unfinished.with_name(name)
        unfinished.rename(directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return directory


def load_model(store: Store, target_id: str, *, kind: str | None = None) -> LoadedModel | None:
    """The newest model for a target, else the one of another target of its kind that learned from the most trials.

    Args:
        store: where to look.
        target_id: the target to predict for.
        kind: its kind ("llvm"), needed only when the store does not know the target yet.

    Returns:
        The verified model (`transferred` says that it was trained on another target), or None when there is none.

    Raises:
        ModelError: the model that would be taken does not match its manifest or was made for other features, or
            there are only manifests that cannot be read.
    """
    root = store_folder(store)
    if root is None:
        return None
    found: list[tuple[Path, Manifest]] = []
    unreadable: list[ModelError] = []
    for path in sorted((root / "models").glob(f"[!.]*/{_MANIFEST}")):
        try:
            found.append((path.parent, read_manifest(path.parent)))
        except ModelError as error:
            _log.warning("%s", error)
            unreadable.append(error)
    kind = kind or next((t.kind for t in store.targets() if t.target_id == target_id), None)
    suitable = [
        (same, 0 if same else manifest.trained_on.num_trials, manifest.created_at, directory)
        for directory, manifest in found
        for same in [manifest.trained_on.target_id == target_id]
        if same or manifest.trained_on.target_kind == kind
    ]
    if not suitable:
        if unreadable:
            raise unreadable[0]
        return None
    directory = max(suitable)[-1]
    model, manifest = load_verified(directory)
    return LoadedModel(model, manifest, directory, target_id)


def load_verified(directory: Path) -> tuple[CostModel, Manifest]:
    """Loads a model after every file was checked against its manifest.

    Raises:
        ModelError: naming the file and the expected and actual hash, or whatever else does not match.
    """
    manifest = read_manifest(directory)
    if manifest.feature_version != per_store.FEATURE_VERSION:
        raise ModelError(
            f"{directory}: made for features {manifest.feature_version}, not {per_store.FEATURE_VERSION}; train again"
        )
    if manifest.kind not in KINDS:
        raise ModelError(f"{directory / _MANIFEST}: unknown kind of model {manifest.kind!r}")
    present = {path.name for path in directory.iterdir()} - {_MANIFEST}
    if stray := sorted(present - set(manifest.files)):
        raise ModelError(f"{directory / stray[0]} is not in the model's manifest")
    for name, expected in manifest.files.items():
        if name not in present:
            raise ModelError(f"{directory / name} is in the model's manifest and missing")
        actual = _sha256(directory / name)
        if actual != expected:
            raise ModelError(f"{directory / name} does not match the model's manifest: {expected=} {actual=} (SHA-256)")
    return KINDS[manifest.kind].load(directory), manifest


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a model's folder. Raises: ModelError when it cannot be read or names paths."""
    path = directory / _MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: {error}") from error
    for name in manifest.files:
        if not _PLAIN_NAME.fullmatch(name) or name == _MANIFEST:
            raise ModelError(f"{path}: {name!r} is not a plain file name")
    return manifest


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error}") from error


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
