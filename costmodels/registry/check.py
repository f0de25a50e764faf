"""What is wrong with a store's models: for `tunedb verify`, which looks at all that lies in a store."""

from __future__ import annotations

from costmodels.kinds import of_kind
from costmodels.models import KINDS
from costmodels.registry.manifest import check_files
from costmodels.registry.saved import load_saved, read_models, saved_files
from tunedb.errors import ModelError
from tunedb.store.contract import Store


def model_problems(store: Store) -> list[str]:
    """Looks through the models of a store.

    A model of other features or of a kind that is no more is not broken: its files are compared with its manifest, and
    it is not loaded.

    Args:
        store: the store whose models are read.

    Returns:
        What is wrong with them, one sentence each, for people; empty when all are sound.
    """
    found, unreadable = read_models(store)
    problems = [str(error) for error in unreadable]
    for saved in found:
        manifest = saved.manifest
        wanted = of_kind(manifest.trained_on.target_kind).features.FEATURE_VERSION
        try:
            if manifest.kind in KINDS and manifest.feature_version == wanted:
                load_saved(store, saved)
            else:
                check_files(manifest, saved_files(store, saved), saved.location)
        except ModelError as error:
            problems.append(str(error))
    return problems
