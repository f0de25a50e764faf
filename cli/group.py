"""The command as a whole: where settings come from, and how it ends, whatever happens outside a verb's session."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from typer.core import TyperGroup, TyperOption
from typer.exceptions import Abort, TyperException
from typing_extensions import override

from cli.exit_codes import ExitCode
from cli.failures import complain, kind_of, one_line, show_document, status_of, told
from cli.output import stdout_errors
from cli.settings import Commands, default_map, name_variables
from cli.streams import silence
from tunedb.errors import TunedbError

NAME = "tunedb"
COMPLETION_VARIABLE = "_TUNEDB_COMPLETE"
_WITHOUT_SETTINGS = {"-h", "--help", "--version"}


class Root(TyperGroup):
    """The group of all verbs."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        name_variables(self.commands)

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line and exits with its status. Usage errors are told as JSON where JSON was asked for."""
        given = list(sys.argv[1:] if args is None else args)
        own = given[: given.index("--")] if "--" in given else given
        as_json = "--json" in given
        try:
            with stdout_errors():
                if COMPLETION_VARIABLE in os.environ:
                    _prepare_completion(extra, self.commands)
                elif not _WITHOUT_SETTINGS & set(own):
                    settings = default_map(self.commands)
                    verb = next((word for word in own if not word.startswith("-")), "")
                    as_json = as_json or bool(settings.get(verb, {}).get("as_json"))
                    extra.setdefault("default_map", settings)
                status = super().main(given, NAME, COMPLETION_VARIABLE, False, windows_expand_args, **extra)
        except TyperException as error:
            _blame_variable(error, own)
            status = self._show_usage(error, as_json=as_json)
        except (Abort, KeyboardInterrupt):
            status = self._show(KeyboardInterrupt(), "interrupted", as_json=as_json)
        except Exception as error:
            status = self._show(error, told(error), as_json=as_json)
        code = status if isinstance(status, int) else 0
        if standalone_mode:
            flush()
            sys.exit(code)
        return code

    def _show_usage(self, error: TyperException, *, as_json: bool) -> int:
        if as_json:
            message = one_line(error.format_message()) or f"`{NAME} --help` says what there is"
            show_document("usage", message, error.exit_code)
            complain(f"{NAME}: error: {message}")
        else:
            error.show()  # type: ignore[attr-defined]  # all that Typer raises have it
        return error.exit_code

    def _show(self, error: BaseException, message: str, *, as_json: bool) -> int:
        status = status_of(error)
        if as_json:
            show_document(kind_of(error), message, status)
        complain(f"{NAME}: error: {message}" if status is not ExitCode.INTERRUPTED else f"{NAME}: {message}")
        return int(status)


def _prepare_completion(extra: dict[str, Any], commands: Commands) -> None:
    """Makes the shells known, and the settings if they make sense: nobody can read a complaint now."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # else done for --show-completion

    completion_init()
    with suppress(TunedbError):
        extra["default_map"] = default_map(commands)


def _blame_variable(error: TyperException, given: Sequence[str]) -> None:
    """Adds to what is wrong with an option the variable that it was read from."""
    option = getattr(error, "param", None)
    if not isinstance(option, TyperOption) or any(word.partition("=")[0] in option.opts for word in given):
        return
    for variable in option.envvar or ():
        if os.environ.get(variable):
            error.message += f" ({variable} says so)"
            return


def flush() -> None:
    """Leaves nothing for the interpreter to flush in vain, which would change the exit status to 120."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            stream.flush()
        except (OSError, ValueError):
            setattr(sys, name, silence(stream))
