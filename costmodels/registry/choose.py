"""Which model predicts for a target: the promoted one, the newest, one of a like target, or the one that ships."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec

from costmodels.features import DEFAULT
from costmodels.model import CostModel
from costmodels.registry.manifest import MANIFEST, Manifest, TrainedOn, load_verified, read_manifest, store_folder
from costmodels.shipped import shipped_model_folder
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError
from tunedb.store.contract import Store

_log = logging.getLogger(__name__)

_PROMOTED = "promoted.json"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model, ready to predict."""

    model: CostModel
    manifest: Manifest
    directory: Path
    target_id: str  # what was asked for
    is_shipped: bool = False  # it came with tunedb

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
        if self.is_shipped:
            return f"the one that ships with tunedb ({on.num_trials + on.num_others} trials)"
        others = f", and {on.num_others} of other targets" if on.num_others else ""
        return f"{self.manifest.name} ({on.num_trials} trials of {on.num_workloads} workloads{transfer}{others})"


def saved_models(store: Store) -> list[tuple[Path, Manifest]]:
    """The models in a store's folder, oldest first; a manifest that cannot be read is left out, with a warning."""
    return _read(store)[0]


def promoted(store: Store) -> dict[str, str]:
    """Names of promoted models by target id. Raises: ModelError: the file that says so cannot be read."""
    root = store_folder(store)
    path = root / "models" / _PROMOTED if root is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ModelError(f"{path}: {error}; delete it to go back to the newest models") from error


def promote(store: Store, manifest: Manifest) -> None:
    """Makes a model the one that predicts for its target, newer ones or not."""
    root = store_folder(store)
    if root is None:
        raise ModelError(f"{store.url} has no folder on this machine, and so no models")
    path = root / "models" / _PROMOTED
    unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
    chosen = {**promoted(store), manifest.trained_on.target_id: manifest.name}
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(chosen)) + b"\n")
    unfinished.replace(path)


def find_model(store: Store, text: str) -> tuple[Path, Manifest]:
    """The model whose name contains a text.

    Raises:
        NotFoundError: there is none.
        AmbiguousPrefixError: there are several.
    """
    every = saved_models(store)
    found = [pair for pair in every if pair[1].name == text] or [pair for pair in every if text in pair[1].name]
    if not found:
        raise NotFoundError(f"no model {text!r} in {store.url}; `tunedb models` lists them")
    if len(found) > 1:
        raise AmbiguousPrefixError(f"{text!r} may be any of {', '.join(manifest.name for _, manifest in found)}")
    return found[0]


def newest_manifest(store: Store, target_id: str) -> tuple[Path, Manifest] | None:
    """The newest model that was trained for a target."""
    return max(
        (pair for pair in saved_models(store) if pair[1].trained_on.target_id == target_id),
        key=lambda pair: pair[1].created_at,
        default=None,
    )


def load_model(store: Store, target_id: str, *, kind: str | None = None) -> LoadedModel | None:
    """The model that predicts for a target.

    It is the promoted one of the target, else the newest, else that of another target of its kind that learned from the
    most trials, else the one that ships with tunedb.

    Args:
        store: where to look.
        target_id: the target to predict for.
        kind: its kind ("llvm"), needed only when the store does not know the target yet.

    Returns:
        The verified model (`transferred` says that it was trained for another target), or None when there is none.

    Raises:
        ModelError: the model that would be taken does not match its manifest or was made for other features, or
            there are only manifests that cannot be read.
    """
    kind = kind or next((t.kind for t in store.targets() if t.target_id == target_id), None)
    found, unreadable = _read(store)
    chosen = promoted(store).get(target_id)
    suitable = [
        (
            manifest.name == chosen,
            same,
            0 if same else manifest.trained_on.num_trials,
            manifest.created_at,
            directory,
        )
        for directory, manifest in found
        for same in [manifest.trained_on.target_id == target_id]
        if same or manifest.trained_on.target_kind == kind
        if manifest.feature_version == DEFAULT.FEATURE_VERSION or manifest.name == chosen
    ]
    if suitable:
        directory = max(suitable)[-1]
        model, manifest = load_verified(directory)
        return LoadedModel(model, manifest, directory, target_id)
    if unreadable:
        raise unreadable[0]
    shipped = shipped_model_folder(kind)
    if shipped is None:
        return None
    model, manifest = load_verified(shipped)
    return LoadedModel(model, manifest, shipped, target_id, is_shipped=True)


def _read(store: Store) -> tuple[list[tuple[Path, Manifest]], list[ModelError]]:
    found: list[tuple[Path, Manifest]] = []
    unreadable: list[ModelError] = []
    root = store_folder(store)
    for path in sorted((root / "models").glob(f"[!.]*/{MANIFEST}")) if root is not None else []:
        try:
            found.append((path.parent, read_manifest(path.parent)))
        except ModelError as error:
            _log.warning("%s", error)
            unreadable.append(error)
    return sorted(found, key=lambda pair: pair[1].created_at), unreadable
