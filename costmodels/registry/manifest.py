"""What a saved model is, and what must hold before one is loaded.

`<store>/models/<name>/` holds the model's own files and `manifest.json`: what it is, what it was trained on, how well
it did, and the SHA-256 of each file. A changed byte in LightGBM's text can crash the process, so nothing is parsed
that does not match its manifest. A folder appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from costmodels.features import DEFAULT
from costmodels.model import CostModel
from costmodels.models import KINDS
from tunedb.errors import ModelError
from tunedb.records import Target
from tunedb.store.contract import Store

MANIFEST = "manifest.json"
_PLAIN_PATH = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,99}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LIBRARIES = ("apache-tvm", "lightgbm", "numpy", "scikit-learn", "tunedb", "xgboost")


class TrainedOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The snapshot that a model learned from."""

    target_id: str
    target: str  # canonical JSON
    target_kind: str
    target_arch: str
    store_version: str
    num_trials: int  # of the target
    num_workloads: int  # of the target
    num_others: int  # trials of other targets
    trial_ids_sha256: str  # of all sorted ids, one a line
    num_compiled: int = 0  # trials whose machine code was known

    @classmethod
    def snapshot(
        cls,
        target: Target,
        store_version: str,
        trial_ids: Iterable[str],
        num_trials: int,
        num_workloads: int,
        num_compiled: int = 0,
    ) -> TrainedOn:
        """Describes trials of one target, and those of others that were learned from too."""
        ids = sorted(trial_ids)
        digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        return cls(
            target.target_id,
            target.text,
            target.kind,
            target.arch,
            store_version,
            num_trials,
            num_workloads,
            len(ids) - num_trials,
            digest,
            num_compiled,
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
    files: dict[str, str]  # SHA-256 in hex by name, which may have one folder

    def learned_the_same(self, trained_on: TrainedOn, seed: int) -> bool:
        """Whether a training on a snapshot would give this model again, as far as it tells."""
        return (
            self.trained_on.trial_ids_sha256 == trained_on.trial_ids_sha256
            and self.trained_on.num_compiled == trained_on.num_compiled
            and self.trained_on.target_id == trained_on.target_id
            and self.seed == seed
            and self.feature_version == DEFAULT.FEATURE_VERSION
            and self.libraries == _libraries()
        )


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
    unfinished = root / "models" / f".unfinished-{uuid.uuid4().hex}"
    unfinished.mkdir(parents=True)
    try:
        manifest = write_model(
            unfinished,
            model,
            trained_on=trained_on,
            seed=seed,
            metrics=metrics or {},
            split=split,
            created_at=datetime.now(UTC),
        )
        directory = unfinished.with_name(manifest.name)
        unfinished.rename(directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return directory


def write_model(
    directory: Path,
    model: CostModel,
    *,
    trained_on: TrainedOn,
    seed: int,
    metrics: Mapping[str, float],
    split: str,
    created_at: datetime,
) -> Manifest:
    """Writes a fitted model and its manifest into an empty folder; the same arguments give the same bytes."""
    model.save(directory)
    files = file_hashes(directory)
    content = hashlib.sha256("".join(files.values()).encode()).hexdigest()
    arch = re.sub(r"[^A-Za-z0-9._-]", "", trained_on.target_arch or trained_on.target_kind)[:40]
    manifest = Manifest(
        name=f"{model.kind}-{arch}-{created_at:%Y%m%dT%H%M%S%fZ}-{content[:8]}",
        kind=model.kind,
        hyper_parameters=model.hyper_parameters,
        seed=seed,
        feature_version=DEFAULT.FEATURE_VERSION,
        trained_on=trained_on,
        metrics=dict(metrics),
        split=split,
        libraries=_libraries(),
        created_at=created_at,
        files=files,
    )
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def load_verified(directory: Path) -> tuple[CostModel, Manifest]:
    """Loads a model after every file was checked against its manifest.

    Raises:
        ModelError: naming the file and the expected and actual hash, or whatever else does not match.
    """
    manifest = read_manifest(directory)
    if manifest.feature_version != DEFAULT.FEATURE_VERSION:
        raise ModelError(
            f"{directory}: made for features {manifest.feature_version}, not {DEFAULT.FEATURE_VERSION}; train again"
        )
    if manifest.kind not in KINDS:
        raise ModelError(f"{directory / MANIFEST}: unknown kind of model {manifest.kind!r}")
    present = {name for name, _ in _files_of(directory)}
    if stray := sorted(present - set(manifest.files)):
        raise ModelError(f"{directory / stray[0]} is not in the model's manifest")
    for name, expected in manifest.files.items():
        if name not in present:
            raise ModelError(f"{directory / name} is in the model's manifest and missing")
        actual = _sha256(directory / name)
        if actual != expected:
            raise ModelError(f"{directory / name} does not match the model's manifest: {expected=} {actual=} (SHA-256)")
    return KINDS[manifest.kind].load(directory), manifest


def file_hashes(directory: Path) -> dict[str, str]:
    """SHA-256 in hex of each file of a model's folder but its manifest."""
    return {name: _sha256(path) for name, path in _files_of(directory)}


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a model's folder. Raises: ModelError when it cannot be read or names paths."""
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: {error}") from error
    for name in manifest.files:
        if not _PLAIN_PATH.fullmatch(name) or name == MANIFEST:
            raise ModelError(f"{path}: {name!r} is not a plain file name")
    return manifest


def _files_of(directory: Path) -> list[tuple[str, Path]]:
    """Names below a model's folder, and paths, of all that lies there but its manifest; folders are no files."""
    paths = sorted(path for path in directory.rglob("*") if not path.is_dir() or path.is_symlink())
    named = [(path.relative_to(directory).as_posix(), path) for path in paths]
    return [(name, path) for name, path in named if name != MANIFEST]


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error}") from error


def _libraries() -> dict[str, str]:
    return {library: _version(library) for library in _LIBRARIES}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
