"""The `tunedb` command. Only declares: what a verb does stands in `cli/commands/`, and is imported when it runs.

`tunedb --help` must answer in 0.3 s, so nothing here or at the top of a command's file may import more than Typer and
the standard library.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from cli.commands import (
    agent,
    bench,
    best,
    collect,
    compact,
    compare,
    compile,
    completion,
    config,
    dashboard,
    doctor,
    evaluate,
    export,
    features,
    history,
    ingest,
    merge,
    migrate,
    models,
    relabel,
    remove,
    repair,
    report,
    restore,
    run,
    serve,
    show,
    sql,
    stats,
    sync,
    targets,
    token,
    train,
    tune,
    verify,
    workloads,
)
from cli.group import COMPLETION_VARIABLE, NAME, Root, flush
from cli.streams import prepare_streams

app = typer.Typer(
    name=NAME,
    cls=Root,
    help="The memory of ML-compiler tuning: remembers MetaSchedule's records, learns from them, and tunes with both.",
    epilog="Exit status: 0 ok, 1 failed, 2 usage, 3 not found, 4 some input was bad (the good part is stored), "
    "6 cannot measure here, 130 interrupted (what was finished is stored).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich doubles the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_ASKING = (best, show, history, report, compare, workloads, targets, stats, sql)
_SERVING = (serve, dashboard, token, sync)
_KEEPING = (merge, remove, relabel, restore, compact, verify, repair, migrate)

for _verb in (
    ingest,
    *_ASKING,
    collect,
    features,
    train,
    evaluate,
    models,
    tune,
    compile,
    run,
    bench,
    agent,
    export,
    *_KEEPING,
    *_SERVING,
    doctor,
    config,
    completion,
):
    _examples = "\n".join(f"  {example}" for example in _verb.EXAMPLES)
    _heading = "Example:" if len(_verb.EXAMPLES) == 1 else "Examples:"
    # \b keeps click from filling the lines that follow into a paragraph.
    app.command(
        _verb.__name__.rpartition(".")[2],
        short_help=_verb.SUMMARY,
        epilog=f"\b\n{_heading}\n{_examples}",
    )(_verb.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tunedb {version('tunedb')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """The installed command."""
    prepare_streams(with_libraries="--debug" in sys.argv or bool(os.environ.get("TUNEDB_DEBUG")))
    if COMPLETION_VARIABLE in os.environ:
        _complete()
    app()


def _complete() -> NoReturn:
    """Answers a shell and ends at once: under an interpreter that ends, threads of Arrow that still read abort."""
    code: str | int | None = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
