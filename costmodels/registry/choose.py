"""Which model predicts for a target: the promoted one, the newest, one of a similar target, or the bundled one."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.registry.manifest import Manifest, TrainedOn
from costmodels.registry.saved import MODELS, SavedModel, load_folder, load_saved, read_models
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError
from tunedb.store.contract import Store

_PROMOTED = f"{MODELS}/promoted.json"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model, ready to predict."""

    model: CostModel
    manifest: Manifest
    location: str  # its folder, for people: a path or URL
    target_id: str  # what was asked for
    is_bundled: bool = False  # it came with tunedb

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
        if self.is_bundled:
            return f"the bundled prior ({on.num_trials + on.num_others} trials)"
        others = f", and {on.num_others} of other targets" if on.num_others else ""
        return f"{self.manifest.name} ({on.num_trials} trials of {on.num_workloads} workloads{transfer}{others})"


def saved_models(store: Store) -> list[SavedModel]:
    """The models of a store, oldest first; a manifest that cannot be read is left out, with a warning."""
    return read_models(store)[0]


def promoted(store: Store) -> dict[str, str]:
    """Names of promoted models by target id.

    Raises:
        ModelError: the file that holds them cannot be read.
    """
    try:
        content = store.artifacts.read(_PROMOTED)
    except NotFoundError:
        return {}
    try:
        return msgspec.json.decode(content, type=dict[str, str])
    except msgspec.MsgspecError as error:
        where = store.artifacts.location(_PROMOTED)
        raise ModelError(f"{where}: {error}; delete it to go back to the newest models") from error


def promote(store: Store, manifest: Manifest) -> None:
    """Makes a model the one that predicts for its target, newer ones or not.

    Raises:
        StoreError: the store cannot be written.
    """
    chosen = {**promoted(store), manifest.trained_on.target_id: manifest.name}
    store.artifacts.write(_PROMOTED, msgspec.json.format(msgspec.json.encode(chosen)) + b"\n")


def find_model(store: Store, text: str) -> SavedModel:
    """The model whose name contains a text.

    Raises:
        NotFoundError: there is none.
        AmbiguousPrefixError: there are several.
    """
    every = saved_models(store)
    found = [saved for saved in every if saved.manifest.name == text]
    found = found or [saved for saved in every if text in saved.manifest.name]
    if not found:
        raise NotFoundError(f"no model {text!r} in {store.url}; `tunedb models` lists them", kind="model", asked=text)
    if len(found) > 1:
        names = [saved.manifest.name for saved in found]
        raise AmbiguousPrefixError(
            f"{text!r} may be any of {', '.join(names)}", kind="model", asked=text, matches=names
        )
    return found[0]


def newest_model(store: Store, target_id: str) -> SavedModel | None:
    """The newest model that was trained for a target."""
    return max(
        (saved for saved in saved_models(store) if saved.manifest.trained_on.target_id == target_id),
        key=lambda saved: saved.manifest.created_at,
        default=None,
    )


def load_model(store: Store, target_id: str, *, kind: str | None = None) -> LoadedModel | None:
    """The model that predicts for a target.

    It is the promoted one of the target, else the newest, else that of another target of its kind that learned from the
    most trials, else the bundled one.

    Args:
        store: the store whose models are looked at first.
        target_id: the target to predict for.
        kind: its kind ("llvm"), needed only when the store does not know the target yet.

    Returns:
        The verified model (`transferred` when it was trained for another target), or None when there is none.

    Raises:
        ModelError: the model that would be taken does not match its manifest or was made for other features, or
            there are only manifests that cannot be read.
    """
    kind = kind or next((t.kind for t in store.targets() if t.target_id == target_id), None)
    found, unreadable = read_models(store)
    chosen = promoted(store).get(target_id)
    wanted = of_kind(kind).features.FEATURE_VERSION
    suitable = [
        (
            saved.manifest.name == chosen,
            same,
            0 if same else saved.manifest.trained_on.num_trials,
            saved.manifest.created_at,
            saved.folder,
            saved,
        )
        for saved in found
        for same in [saved.manifest.trained_on.target_id == target_id]
        if same or saved.manifest.trained_on.target_kind == kind
        if saved.manifest.feature_version == wanted or saved.manifest.name == chosen
    ]
    if suitable:
        saved = max(suitable, key=lambda row: row[:-1])[-1]
        return LoadedModel(load_saved(store, saved), saved.manifest, saved.location, target_id)
    if unreadable:
        raise unreadable[0]
    bundled = of_kind(kind).prior.model_folder
    if bundled is None:
        return None
    model, manifest = load_folder(bundled)
    return LoadedModel(model, manifest, str(bundled), target_id, is_bundled=True)
