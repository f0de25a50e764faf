"""`tunedb config`: what holds where the command line says nothing, and where each value is from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cli.output import Answer
    from cli.session import Session
    from cli.settings import Setting

SUMMARY = "Show every option's value, and where it is from"
EXAMPLES = ("tunedb config", "tunedb config tune", "TUNEDB_TRIALS=128 tunedb config tune --json")


@verb
def command(
    run: Session,
    context: typer.Context,
    only: Annotated[
        str | None, typer.Argument(metavar="[VERB]", help="Only the options of this verb.", show_default=False)
    ] = None,
) -> None:
    """Show the value that every option of every verb has when the command line does not give it: from the environment,
    else a configuration file (tunedb.toml here, then in the user's configuration folder), else the default.
    """
    from cli.settings import default_paths, read_files, settings, unknown_variables
    from tunedb.errors import NotFoundError

    root = context.parent
    assert root is not None
    commands = root.command.commands  # type: ignore[attr-defined]  # the root is a group
    if only is not None and only not in commands:
        raise NotFoundError(f"there is no verb {only!r}; there are {', '.join(commands)}", kind="verb", asked=only)
    chosen = commands if only is None else {only: commands[only]}
    unknown = unknown_variables(commands)
    for name, nearest in unknown.items():
        run.progress.complain(f"nothing reads {name}" + (f": did you mean {nearest}?" if nearest else ""))
    read = [file.path for file in read_files()]
    run.show(answer(settings(chosen, root), read, default_paths(), unknown))


def answer(
    found: Sequence[Setting], read: Sequence[Path], looked_for: Sequence[Path], unknown: Mapping[str, str]
) -> Answer:
    """A row a value; what all verbs have alike is one row of the text form.

    Args:
        found: the values.
        read: the configuration files that were read, the first counts first.
        looked_for: where they were looked for.
        unknown: variables that nothing reads, and the nearest that is read.
    """
    from cli.output import Answer, Table

    document = {
        "files": [str(path) for path in read],
        "settings": [
            {
                "verb": one.verb,
                "option": one.option,
                "value": one.value,
                "source": one.source,
                "origin": one.origin or None,
            }
            for one in found
        ],
        "unknown_variables": [{"name": name, "nearest": nearest or None} for name, nearest in unknown.items()],
    }
    rows = [
        [where, one.option, "-" if one.value is None else _shown(one.value), one.origin or one.source]
        for where, one in _together(found)
    ]
    if read:
        heading = f"read, the first counts first: {', '.join(map(str, read))}"
    else:
        heading = f"no configuration file; it would be {' or '.join(map(str, looked_for))}"
    return Answer(document, [heading, "", Table(["verb", "option", "value", "from"], rows)])


def _together(found: Sequence[Setting]) -> list[tuple[str, Setting]]:
    """Each setting with its verb, or "(all)" where all verbs that have the option have one value from one place."""
    of_option: dict[str, list[Setting]] = {}
    for one in found:
        of_option.setdefault(one.option, []).append(one)
    verbs = list(dict.fromkeys(one.verb for one in found))
    shared, own = [], []
    for settings in of_option.values():
        first = settings[0]
        same = all((one.value, one.origin) == (first.value, first.origin) for one in settings)
        if same and len(settings) == len(verbs) > 1:
            shared.append(("(all)", first))
        else:
            own += [(one.verb, one) for one in settings]
    return shared + sorted(own, key=lambda pair: verbs.index(pair[0]))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
