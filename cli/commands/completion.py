"""`tunedb completion`: the script with which a shell completes the command's words."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.verb import verb

if TYPE_CHECKING:
    from cli.session import Session

SUMMARY = "Print the script that completes words in a shell"
EXAMPLES = (
    'eval "$(tunedb completion bash)"    # in ~/.bashrc',
    'eval "$(tunedb completion zsh)"     # in ~/.zshrc, after compinit',
    "tunedb completion fish > ~/.config/fish/completions/tunedb.fish",
)


class Shell(StrEnum):
    """Whose script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@verb
def command(run: Session, shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the script that lets a shell complete verbs, options, and what the store has: workloads, targets, records'
    sources and models.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # what --show-completion prints

    from cli.group import COMPLETION_VARIABLE, NAME
    from cli.output import Answer

    script = get_completion_script(prog_name=NAME, complete_var=COMPLETION_VARIABLE, shell=shell.value)
    run.show(Answer({"shell": shell.value, "script": script}, [script]))
