"""Declares verbs: what surrounds a command's own function, and the options that all verbs have, stand here once."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, get_type_hints

from cli.options import AsJson, AsOf, Debug, Quiet, StoreUrl
from cli.session import session

if TYPE_CHECKING:
    from cli.session import Session
    from tunedb.store.contract import Store

P = ParamSpec("P")
Command = Callable[..., None]


def verb(body: Callable[Concatenate[Session, P], None]) -> Command:
    """A command that opens its store itself, or none.

    Args:
        body: the command: a session, and then the verb's own arguments as Typer understands them.

    Returns:
        A function whose parameters are the verb's own and --store, --json, --quiet and --debug.
    """
    untyped: Command = body

    def command(*, store: str | None, as_json: bool, quiet: bool, debug: bool, **own: Any) -> None:
        with session(store, as_json, debug, is_quiet=quiet) as run:
            untyped(run, **own)

    return _declared(command, body, given=1, common=_common())


def store_verb(
    *, create: bool = False, writes: bool = False, as_of: bool = False
) -> Callable[[Callable[Concatenate[Session, Store, P], None]], Command]:
    """A command on one store, which is opened before and closed after it.

    Args:
        create: whether to make the store if it is not there.
        writes: whether the verb works long for what it then adds, as in `Session.open_store`.
        as_of: whether the verb only asks, and takes --as-of.

    Returns:
        What makes of a session, an open store and the verb's own arguments a function as `verb` does.
    """

    def declare(body: Callable[Concatenate[Session, Store, P], None]) -> Command:
        untyped: Command = body

        def command(
            *, store: str | None, as_json: bool, quiet: bool, debug: bool, as_of: str | None = None, **own: Any
        ) -> None:
            with (
                session(store, as_json, debug, is_quiet=quiet) as run,
                run.open_store(create=create, writes=writes, as_of=as_of) as opened,
            ):
                untyped(run, opened, **own)

        return _declared(command, body, given=2, common=_common(as_of=as_of))

    return declare


def _common(*, as_of: bool = False) -> dict[str, tuple[Any, Any]]:
    """The options that all verbs have, in the order in which help lists them: annotation and default by name."""
    return {
        "store": (StoreUrl, None),
        **({"as_of": (AsOf, None)} if as_of else {}),
        "as_json": (AsJson, False),
        "quiet": (Quiet, False),
        "debug": (Debug, False),
    }


def _declared(command: Command, body: Command, *, given: int, common: Mapping[str, tuple[Any, Any]]) -> Command:
    """`command` under the name and help text of `body`, with the parameters of `body` and the common options.

    Args:
        command: what is called.
        body: what was declared.
        given: how many of its first parameters a user does not give. Their types need not exist when this runs.
        common: the common options.
    """
    own = list(inspect.signature(body).parameters.values())[given:]
    written = SimpleNamespace(__annotations__={parameter.name: parameter.annotation for parameter in own})
    hints = get_type_hints(written, globalns=vars(sys.modules[body.__module__]), include_extras=True)
    parameters = [
        *(parameter.replace(annotation=hints[parameter.name]) for parameter in own),
        *(
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)
            for name, (annotation, default) in common.items()
        ),
    ]
    functools.update_wrapper(command, body)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(command)["__signature__"] = inspect.Signature(parameters)
    return command
