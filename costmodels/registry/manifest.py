"""What a saved model is, and what must hold before one is loaded.

A saved model is the files that the model gives, and `manifest.json`: what it is, what it was trained on, how well it
did, and the SHA-256 of each file. Nothing is parsed that does not match its manifest; what matches may still come from
anywhere, so a model is loaded by its structure (`costmodels.models`), and asked for predictions before it is believed.
Where the files are kept is no matter of this module: see `costmodels.registry.saved`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
import numpy as np

from costmodels.kinds import of_kind
from costmodels.model import CostModel
from costmodels.models import KINDS
from costmodels.models.files import reading
from tunedb.errors import ModelError, last_line
from tunedb.records import Target

MANIFEST = "manifest.json"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")
_PLAIN_PATH = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,99}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LIBRARIES = ("apache-tvm", "lightgbm", "numpy", "scikit-learn", "tunedb", "xgboost")
_TRIED = 8  # made-up candidates
_RENAMED = {"second-look": "two-stage"}  # kinds of models of other names before the first release


_Count = Annotated[int, msgspec.Meta(ge=0)]
_Id = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$")]
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class TrainedOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The snapshot that a model learned from."""

    target_id: _Id
    target: str  # canonical JSON
    target_kind: str
    target_arch: str
    store_version: str
    num_trials: _Count  # of the target
    num_workloads: _Count  # of the target
    num_others: _Count  # trials of other targets
    trial_ids_sha256: _Hash  # of all sorted ids, one a line
    num_compiled: _Count = 0  # trials whose machine code was known

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


class Optimized(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model's hyper-parameters were chosen."""

    evaluations: int  # configurations that were tried, the default one among them
    seed: int
    objective: str  # what was made as large as it would become
    value: float  # the objective of the configuration that was chosen
    default_value: float  # the objective of the default configuration


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
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
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    files: dict[str, str]  # SHA-256 in hex by name, which may have one folder
    optimized: Optimized | None = None  # None where the hyper-parameters are the default ones

    def is_repeated_by(self, kind: str, trained_on: TrainedOn, seed: int, evaluations: int | None) -> bool:
        """Whether a training would give this model again, as far as it tells.

        Args:
            kind: the family that would be trained.
            trained_on: what it would learn from.
            seed: of the training.
            evaluations: how many configurations would be tried; None if none were to be chosen, which leaves a model
                alone whose hyper-parameters were chosen before.
        """
        return (
            self.kind == kind
            and self.trained_on.trial_ids_sha256 == trained_on.trial_ids_sha256
            and self.trained_on.num_compiled == trained_on.num_compiled
            and self.trained_on.target_id == trained_on.target_id
            and self.seed == seed
            and self.feature_version == of_kind(trained_on.target_kind).features.FEATURE_VERSION
            and self.libraries == _libraries()
            and (evaluations is None or (self.optimized is not None and self.optimized.evaluations == evaluations))
        )

    def encoded(self) -> bytes:
        """The content of the file."""
        return msgspec.json.format(msgspec.json.encode(self)) + b"\n"


def packed(
    model: CostModel,
    *,
    trained_on: TrainedOn,
    seed: int,
    created_at: datetime,
    metrics: Mapping[str, float] | None = None,
    split: str = "",
    optimized: Optimized | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """Makes files of a fitted model; the same arguments give the same bytes.

    Args:
        model: what is to be saved.
        trained_on: the snapshot that it learned from.
        seed: of its training.
        created_at: when; a part of its name.
        metrics: how good it is, by name.
        split: how those were had.
        optimized: how its hyper-parameters were chosen, if they were.

    Returns:
        The manifest, and the content of the model's own files by name.
    """
    files = model.save()
    hashes = file_hashes(files)
    content = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    arch = re.sub(r"[^A-Za-z0-9._-]", "", trained_on.target_arch or trained_on.target_kind)[:40]
    manifest = Manifest(
        name=f"{model.kind}-{arch}-{created_at:%Y%m%dT%H%M%S%fZ}-{content[:8]}",
        kind=model.kind,
        hyper_parameters=model.hyper_parameters,
        seed=seed,
        feature_version=of_kind(trained_on.target_kind).features.FEATURE_VERSION,
        trained_on=trained_on,
        metrics=dict(metrics or {}),
        split=split,
        libraries=_libraries(),
        created_at=created_at,
        files=hashes,
        optimized=optimized,
    )
    return manifest, files


def file_hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 in hex of each of a model's files, by name."""
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}


def read_manifest(content: bytes, where: str) -> Manifest:
    """Reads a manifest.

    Args:
        content: of the file.
        where: the file, for error messages.

    Raises:
        ModelError: it cannot be read, has a name that cannot be a folder's, or names files that are not plain.
    """
    try:
        with reading(where):
            manifest = msgspec.json.decode(content, type=Manifest)
    except ModelError as error:
        raise ModelError(f"{error}; this is no manifest of a model") from error
    if not _PLAIN_NAME.fullmatch(manifest.name):
        raise ModelError(f"{where}: {manifest.name[:80]!r} cannot be the name of a model: letters, digits and ._- only")
    for name in manifest.files:
        if not _PLAIN_PATH.fullmatch(name) or name == MANIFEST:
            raise ModelError(f"{where}: {name!r} is not a plain file name")
    return manifest


def unpacked(manifest: Manifest, files: Mapping[str, bytes], where: str) -> CostModel:
    """Loads a model after every file was checked against its manifest.

    Args:
        manifest: what the files must match.
        files: all that lies with the manifest, by name.
        where: their folder, for error messages.

    Raises:
        ModelError: naming the file and the expected and actual hash, or whatever else does not match.
    """
    check_files(manifest, files, where)
    wanted = of_kind(manifest.trained_on.target_kind).features.FEATURE_VERSION
    if manifest.feature_version != wanted:
        raise ModelError(f"{where}: made for features {manifest.feature_version}, not {wanted}; train again")
    if manifest.kind in _RENAMED:
        raise ModelError(
            f"{where}: a {manifest.kind} model, of before they became {_RENAMED[manifest.kind]} models: "
            "train again (`tunedb train`)"
        )
    if manifest.kind not in KINDS:
        raise ModelError(f"{where}/{MANIFEST}: unknown kind of model {manifest.kind!r}")
    try:
        model = KINDS[manifest.kind].load(files)
        check_predictions(model, manifest.trained_on.target_kind)
    except ModelError as error:
        raise ModelError(f"{where}: {error}; copy the model again, or train another (`tunedb train`)") from error
    except Exception as error:  # libraries have errors of their own for what they cannot read
        raise ModelError(f"{where}: {type(error).__name__}: {last_line(error)}") from error
    return model


def check_files(manifest: Manifest, files: Mapping[str, bytes], where: str) -> None:
    """Compares files with what a manifest says of them.

    Args:
        manifest: what the files must match.
        files: all that lies with the manifest, by name.
        where: their folder, for error messages.

    Raises:
        ModelError: a file is missing, is not in the manifest, or is another than it says.
    """
    if stray := sorted(files.keys() - manifest.files.keys()):
        raise ModelError(f"{where}/{stray[0]} is not in the model's manifest")
    if missing := [name for name in manifest.files if name not in files]:
        raise ModelError(f"{where}/{missing[0]} is in the model's manifest and missing")
    for name, actual in file_hashes(files).items():
        expected = manifest.files[name]
        if actual != expected:
            raise ModelError(f"{where}/{name} does not match the model's manifest: {expected=} {actual=} (SHA-256)")


def check_predictions(model: CostModel, target_kind: str) -> None:
    """Asks a model for predictions of a few made-up candidates.

    Args:
        model: that has just been loaded.
        target_kind: of the target that it was trained for.

    Raises:
        ModelError: it wants other features than there are, or what it says is not finite.
    """
    of = of_kind(target_kind)
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 30, size=(_TRIED, len(of.features.names())))
    code = None if of.code is None else rng.uniform(-1, 30, size=(_TRIED, len(of.code.names())))
    for predicted in (model.predict(features), model.predict_compiled(features, code)):
        if not (np.isfinite(predicted.mean).all() and np.isfinite(predicted.std).all() and (predicted.std > 0).all()):
            raise ModelError("its predictions are not finite")


def differences(first: Manifest, second: Manifest) -> list[tuple[str, Any, Any]]:
    """The values in which two manifests differ: name ("trained_on.num_trials"), first and second, None for none."""
    left, right = (flattened(msgspec.to_builtins(manifest)) for manifest in (first, second))
    names = [name for name in dict.fromkeys([*left, *right]) if left.get(name) != right.get(name)]
    return [(name, left.get(name), right.get(name)) for name in names]


def flattened(value: Any, name: str = "") -> dict[str, Any]:
    """The values of nested dictionaries by dotted name."""
    if not isinstance(value, dict):
        return {name: value}
    parts = [flattened(inner, f"{name}.{key}" if name else str(key)) for key, inner in value.items()]
    return {key: inner for part in parts for key, inner in part.items()}


def _libraries() -> dict[str, str]:
    return {library: _version(library) for library in _LIBRARIES}


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
