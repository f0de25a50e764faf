"""Which model predicts for a target: the promoted one, the newest, one of a similar target, or the bundled one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.models.files import reading
from costmodels.registry.manifest import Manifest, TrainedOn
from costmodels.registry.saved import MODELS, SavedModel, load_folder, load_saved, read_models
from tunedb.errors import AmbiguousPrefixError, ModelError, NotFoundError, StoreError
from tunedb.store.contract import Store

_log = logging.getLogger(__name__)

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
    """The models of a store, oldest first; one whose manifest cannot be read is left out, with a warning."""
    found, unreadable = read_models(store)
    for error in unreadable:
        _log.warning("a model is passed over: %s", error)
    return found


def promoted(store: Store) -> dict[str, str]:
    """Names of promoted models by target id; none, with a warning, where the file that holds them cannot be read."""
    try:
        content = store.artifacts.read(_PROMOTED)
    except NotFoundError:
        return {}
    except StoreError as error:
        _log.warning("no model counts as promoted: %s", error)
        return {}
    try:
        with reading(store.artifacts.location(_PROMOTED)):
            return msgspec.json.decode(content, type=dict[str, str])
    except ModelError as error:
        _log.warning("no model counts as promoted: %s; promote one again (`tunedb models promote`)", error)
        return {}


def promote(store: Store, manifest: Manifest) -> None:
    """Makes a model the one that predicts for its target, newer ones or not.

    Raises:
        StoreError: the store cannot be written.
    """
    chosen = {**promoted(store), manifest.trained_on.target_id: manifest.name}
    store.artifacts.write(_PROMOTED, msgspec.json.format(msgspec.json.encode(chosen)) + b"\n")


def demote(store: Store, text: str) -> str:
    """Takes a promotion back: the newest model of the target predicts again.

    Args:
        store: the store of the model, which need not be there any more.
        text: the name of a promoted model, or any part of it.

    Returns:
        The model's name.

    Raises:
        NotFoundError: no promoted model has that name.
        AmbiguousPrefixError: several have.
        StoreError: the store cannot be written.
    """
    chosen = promoted(store)
    names = sorted({*chosen.values()})
    name = _only(text, names, f"no promoted model {text!r}; promoted are: {', '.join(names) or 'none'}")
    kept = {target_id: other for target_id, other in chosen.items() if other != name}
    store.artifacts.write(_PROMOTED, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    return name


def find_model(store: Store, text: str) -> SavedModel:
    """The model whose name contains a text.

    Raises:
        NotFoundError: there is none.
        AmbiguousPrefixError: there are several.
    """
    every = {saved.manifest.name: saved for saved in saved_models(store)}
    return every[_only(text, [*every], f"no model {text!r} in {store.url}; `tunedb models` lists them")]


def _only(text: str, names: Sequence[str], otherwise: str) -> str:
    """The one of some names that is a text or contains it."""
    found = [name for name in names if name == text] or [name for name in names if text in name]
    if not found:
        raise NotFoundError(otherwise, kind="model", asked=text)
    if len(found) > 1:
        raise AmbiguousPrefixError(
            f"{text!r} may be any of {', '.join(found)}", kind="model", asked=text, matches=found
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
    most trials, else the bundled one. One that cannot be loaded is named in a warning and passed over.

    Args:
        store: the store whose models are looked at first.
        target_id: the target to predict for.
        kind: its kind ("llvm"), needed only when the store does not know the target yet.

    Returns:
        The verified model (`transferred` when it was trained for another target), or None when there is none.
    """
    kind = kind or next((t.kind for t in store.targets() if t.target_id == target_id), None)
    found = saved_models(store)
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
    if chosen is not None and all(saved.manifest.name != chosen for saved in found):
        _log.warning("the promoted model %s is not there; another one predicts", chosen)
    for *_, saved in sorted(suitable, key=lambda row: row[:-1], reverse=True):
        try:
            return LoadedModel(load_saved(store, saved), saved.manifest, saved.location, target_id)
        except ModelError as error:
            _log.warning("a model is passed over: %s", error)
    bundled = of_kind(kind).prior.model_folder
    if bundled is None:
        return None
    model, manifest = load_folder(bundled)
    return LoadedModel(model, manifest, str(bundled), target_id, is_bundled=True)
