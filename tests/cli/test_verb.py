"""What `cli.verb` makes of a function."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner

from cli.output import Answer
from cli.verb import store_verb, verb

if TYPE_CHECKING:
    from cli.session import Session
    from tunedb.store.contract import Store


@verb
def alone(run: Session, name: Annotated[str, typer.Argument()], times: Annotated[int, typer.Option()] = 2) -> None:
    """Says a name."""
    run.show(Answer({"name": name, "store": run.store_url}, [name] * times))


@store_verb(as_of=True)
def asking(run: Session, store: Store) -> None:
    """Counts trials."""
    run.show(Answer({"trials": store.stats().num_trials}, []))


@store_verb(create=True)
def making(run: Session, store: Store) -> None:
    """Makes a store."""
    run.show(Answer({"url": store.url}, []))


def test_common_options_follow_the_verbs_own() -> None:
    assert list(inspect.signature(alone).parameters) == ["name", "times", "store", "as_json", "quiet", "debug"]
    assert list(inspect.signature(asking).parameters) == ["store", "as_of", "as_json", "quiet", "debug"]
    assert (alone.__name__, alone.__doc__) == ("alone", "Says a name.")


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    for command in (alone, asking, making):
        found.command()(command)
    return found


def test_a_verb_is_given_its_session_and_its_arguments(app: typer.Typer) -> None:
    run = CliRunner().invoke(app, ["alone", "ada", "--times", "3"])
    assert (run.exit_code, run.stdout) == (0, "ada\nada\nada\n")
    assert '"store": "memory:"' in CliRunner().invoke(app, ["alone", "ada", "--json", "--store", "memory:"]).stdout


def test_the_store_is_opened_made_and_as_it_was(app: typer.Typer, tmp_path: Path) -> None:
    here = ["--store", str(tmp_path / "store"), "--json"]
    assert CliRunner().invoke(app, ["asking", *here]).exit_code == 3
    assert CliRunner().invoke(app, ["making", *here]).exit_code == 0
    assert CliRunner().invoke(app, ["asking", *here]).exit_code == 0
    assert CliRunner().invoke(app, ["asking", *here, "--as-of", "99"]).exit_code == 3
    assert CliRunner().invoke(app, ["making", *here, "--as-of", "0"]).exit_code == 2
