"""`tunedb models`: the cost models that a store has."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completers import models
from cli.verb import store_verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.output import Answer, Table
    from cli.session import Session
    from costmodels.registry.manifest import Manifest
    from costmodels.registry.saved import SavedModel
    from tunedb.store.contract import Store

SUMMARY = "List, show, promote, demote, compare and adopt cost models"
EXAMPLES = (
    "tunedb models",
    "tunedb models show two-stage-znver5-2026",
    "tunedb models promote 5b113794",
    "tunedb models demote 5b113794",
    "tunedb models diff 5b113794 77aa01c2",
    "tunedb models adopt ~/from-a-colleague/two-stage-znver5-20261120T234139690730Z-5b113794",
)


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    SHOW = "show"
    PROMOTE = "promote"
    DEMOTE = "demote"
    DIFF = "diff"
    ADOPT = "adopt"


_WANTED = {Action.LIST: 0, Action.SHOW: 1, Action.PROMOTE: 1, Action.DEMOTE: 1, Action.DIFF: 2, Action.ADOPT: 1}


@store_verb()
def command(
    run: Session,
    store: Store,
    action: Annotated[
        Action,
        typer.Argument(
            help="list them; show one's manifest; promote one, to predict for its target though newer ones come; "
            "demote it, so that the newest predicts again; diff two; adopt a folder from elsewhere, loaded and tried "
            "in a child process first.",
            show_default=True,
        ),
    ] = Action.LIST,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", autocompletion=models, help="A model, by any part of its name; or a folder."
        ),
    ] = None,
) -> None:
    """Models are folders of text files among the store's own; each has a manifest with what it was trained on."""
    from costmodels.registry.adopt import adopt
    from costmodels.registry.choose import demote, find_model, promote, promoted, saved_models
    from tunedb.errors import UsageError

    given = names or []
    if len(given) != _WANTED[action]:
        raise UsageError(f"`tunedb models {action}` wants {_WANTED[action]} names, not {len(given)}")
    if action is Action.ADOPT:
        from pathlib import Path

        adopted = adopt(store, Path(given[0]).expanduser())
        run.show(list_answer([adopted], promoted(store)))
    elif action is Action.LIST:
        run.show(list_answer(saved_models(store), promoted(store)))
    elif action is Action.DEMOTE:
        run.progress.note(f"{demote(store, given[0])} is promoted no more")
        run.show(list_answer(saved_models(store), promoted(store)))
    elif action is Action.DIFF:
        run.show(diff_answer(*(find_model(store, name).manifest for name in given)))
    else:
        found = find_model(store, given[0])
        if action is Action.PROMOTE:
            promote(store, found.manifest)
        run.show(show_answer(found, promoted(store)))


def list_answer(found: Sequence[SavedModel], chosen: Mapping[str, str]) -> Answer:
    """One row a model."""
    from cli.output import Answer, Table
    from costmodels.documents import model_document

    manifests = [saved.manifest for saved in found]
    names = list(dict.fromkeys(name for manifest in manifests for name in manifest.metrics))
    rows = [
        [
            manifest.name,
            manifest.trained_on.target_arch or manifest.trained_on.target_kind,
            f"{manifest.trained_on.num_trials:,}",
            f"{manifest.trained_on.num_others:,}",
            manifest.feature_version,
            *(f"{manifest.metrics[name]:.3f}" if name in manifest.metrics else "-" for name in names),
            "promoted" if manifest.name in chosen.values() else "",
        ]
        for manifest in manifests
    ]
    headers = ["model", "target", "trials", "others'", "features", *names, ""]
    table = Table(headers, rows, right=frozenset({"trials", "others'", *names}))
    lines: list[str | Table] = [table] if rows else ["no models; `tunedb train` makes them"]
    return Answer({"models": [model_document(saved, chosen) for saved in found]}, lines)


def show_answer(found: SavedModel, chosen: Mapping[str, str]) -> Answer:
    """A manifest, a value a line."""
    from cli.output import Answer, Table
    from costmodels.documents import model_document
    from costmodels.registry.manifest import flattened

    document = model_document(found, chosen)
    rows = [[name, str(value)] for name, value in flattened(document).items()]
    return Answer(document, [Table(["", "value"], rows)])


def diff_answer(first: Manifest, second: Manifest) -> Answer:
    """The values in which two manifests differ."""
    from cli.output import Answer, Table
    from costmodels.documents import difference_document

    document = difference_document(first, second)
    rows = [[row["what"], _shown(row["first"]), _shown(row["second"])] for row in document["differences"]]
    lines: list[str | Table] = [Table(["", "first", "second"], rows)] if rows else ["they are the same"]
    return Answer(document, lines)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
