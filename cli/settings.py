"""What holds where the command line says nothing: environment variables, then configuration files, then defaults.

Each long option of a verb is a key of a file and a variable of the environment: `--run-timeout` of `tune` is
`run-timeout`, at the top of a file for all verbs that have it or in its table `[tune]` for one, and
`TUNEDB_RUN_TIMEOUT` or `TUNEDB_TUNE_RUN_TIMEOUT`. Nothing is listed here: the options are those that the verbs declare.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperOption
from typer.exceptions import TyperException

from cli.options import default_store
from tunedb.errors import UsageError
from tunedb.store.http.credentials import VARIABLES

FILE_NAME = "tunedb.toml"
FILE_VARIABLE = "TUNEDB_CONFIG"  # a file to read in place of those that are found
_PREFIX = "TUNEDB_"
_WANTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}

_NOTHING = TyperCommand(None)  # what a value belongs to that is looked at before there is a command line

Commands = Mapping[str, Any]  # Typer's commands by the name of their verb


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that was read."""

    path: Path
    table: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """The value that an option of a verb has when the command line does not say otherwise."""

    verb: str
    option: str  # its key: without the dashes in front
    value: Any
    source: str  # "environment", "file", "default"
    origin: str  # the variable, or the file's path; "" of a default


def options_of(command: Any) -> dict[str, TyperOption]:
    """A command's options by their keys."""
    return {_key(option): option for option in command.params if isinstance(option, TyperOption)}


def _key(option: TyperOption) -> str:
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


def name_variables(commands: Commands) -> None:
    """Gives each option of each verb its variables in the environment: the verb's own, then that of all verbs."""
    for verb, command in commands.items():
        for key, option in options_of(command).items():
            option.envvar = [_variable(verb, key), _variable(key)]
            option.show_envvar = False


def _variable(*names: str) -> str:
    return _PREFIX + "_".join(names).replace("-", "_").upper()


def default_map(commands: Commands) -> dict[str, dict[str, Any]]:
    """What the configuration files say, in the form of Click's `default_map`: values by verb and parameter.

    Raises:
        UsageError: a file cannot be read, or says something that makes no sense.
    """
    found: dict[str, dict[str, Any]] = {verb: {} for verb in commands}
    for verb, key, value, _ in _told_by_files(commands, read_files()):
        found[verb].setdefault(options_of(commands[verb])[key].name, value)
    return found


def settings(commands: Commands, context: Any) -> list[Setting]:
    """Every option of every verb, with the value that holds and where it is from.

    Args:
        commands: the verbs' commands.
        context: Click's context of the group; its `default_map` has what the files say.

    Raises:
        UsageError: a file or a variable says something that makes no sense.
    """
    origins: dict[tuple[str, str], str] = {}
    for verb, key, _, path in _told_by_files(commands, read_files()):
        origins.setdefault((verb, key), str(path))
    found = []
    for verb, command in commands.items():
        with command.context_class(command, info_name=verb, parent=context) as own:
            for key, option in options_of(command).items():
                value = option.process_value(own, option.consume_value(own, {})[0])
                variable = next((name for name in option.envvar or () if os.environ.get(name)), "")
                origin = variable or origins.get((verb, key), "")
                source = "environment" if variable else "file" if origin else "default"
                if key == "store" and value is None:
                    value = default_store()
                found.append(Setting(verb, key, _plain(value), source, origin))
    return found


def unknown_variables(commands: Commands) -> dict[str, str]:
    """Variables of the environment that look like tunedb's and that nothing reads, each with the nearest that is."""
    known = {FILE_VARIABLE, *VARIABLES}
    for command in commands.values():
        for option in options_of(command).values():
            known.update(option.envvar or ())
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)
    return {name: _nearest(name, known) for name in unknown}


def read_files() -> list[ConfigFile]:
    """The configuration files that there are, the one that is asked first in front.

    That is the file of the present folder, then the user's; or else the one that `TUNEDB_CONFIG` names.

    Raises:
        UsageError: one cannot be read, or the one that was named is not there.
    """
    if named := os.environ.get(FILE_VARIABLE):
        return [_read(Path(named), f" (named by {FILE_VARIABLE})")]
    return [_read(path) for path in default_paths() if path.exists()]


def default_paths() -> list[Path]:
    """Where configuration files are looked for."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:  # a user without a home
        return [Path(FILE_NAME)]
    return [Path(FILE_NAME), folder / "tunedb" / FILE_NAME]


def _read(path: Path, told: str = "") -> ConfigFile:
    import tomllib

    try:
        with path.open("rb") as file:
            return ConfigFile(path.absolute(), tomllib.load(file))
    except OSError as error:
        raise UsageError(f"cannot read the configuration file {path}{told}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the configuration file {path} is not TOML: {error}") from error


def _told_by_files(commands: Commands, files: list[ConfigFile]) -> Iterator[tuple[str, str, Any, Path]]:
    """Verb, key, value and file of whatever the files say, what counts first in front."""
    by_verb = {verb: options_of(command) for verb, command in commands.items()}
    everywhere = {key for options in by_verb.values() for key in options}
    for file in files:
        tables = {verb: table for verb, table in file.table.items() if isinstance(table, dict)}
        for verb, table in tables.items():
            if verb not in by_verb:
                raise UsageError(f"{file.path}: there is no verb {verb!r} for [{verb}]{_meant(verb, by_verb)}")
            for name, value in table.items():
                key = _known_key(file.path, f"[{verb}] ", name, by_verb[verb])
                yield verb, key, _checked(file.path, f"[{verb}] {name}", value, by_verb[verb][key]), file.path
        for name, value in file.table.items():
            if name not in tables:
                key = _known_key(file.path, "", name, everywhere)
                for verb in (verb for verb, options in by_verb.items() if key in options):
                    yield verb, key, _checked(file.path, name, value, by_verb[verb][key]), file.path


def _checked(path: Path, name: str, value: Any, option: TyperOption) -> Any:
    """A value as Click takes it for an option.

    Raises:
        UsageError: it is none for this option.
    """
    if wanted := _wrong_type(value, option.type_descriptor.annotation):
        raise UsageError(f"{path}: {name} = {_toml(value)} is not {wanted}")
    taken = [value] if option.multiple and not isinstance(value, list) else value
    try:
        # Click looks at it again when the option is used; there it could not say which file is to blame.
        option.process_value(typer.Context(_NOTHING), taken)
    except TyperException as error:
        raise UsageError(f"{path}: {name} = {_toml(value)}: {error.message}") from error
    return taken


def _known_key(path: Path, where: str, name: str, known: Mapping[str, object] | set[str]) -> str:
    key = name.replace("_", "-")
    if key not in known:
        raise UsageError(f"{path}: {where}there is no option {name!r}{_meant(key, known)}")
    return key


def _wrong_type(value: Any, annotation: Any) -> str:
    """What would be of the right type, when the value is not; "" when it is."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
        return _wrong_type(value, annotation)
    if origin in (list, tuple):
        items = value if isinstance(value, list) else [value]
        return next((wrong for item in items if (wrong := _wrong_type(item, get_args(annotation)[0]))), "")
    if isinstance(annotation, type) and issubclass(annotation, Enum | os.PathLike):
        annotation = str
    right = type(value) is annotation or (annotation is float and type(value) is int)
    return "" if right else _WANTED.get(annotation, "a text")


def _meant(name: str, known: Mapping[str, object] | set[str]) -> str:
    nearest = _nearest(name, known)
    return f"; did you mean {nearest!r}?" if nearest else f"; there are {', '.join(sorted(known))}"


def _nearest(name: str, known: Mapping[str, object] | set[str]) -> str:
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def _toml(value: Any) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # a time
        return str(value)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value] or None
    return str(value) if isinstance(value, os.PathLike) else value
