"""Configuration files and the environment: what counts first, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from cli.settings import options_of
from tests.cli.conftest import Run

Show = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "tunedb" / "tunedb.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def shown(run_json: Show, *arguments: str) -> dict[tuple[str, str], tuple[Any, str]]:
    return {
        (one["verb"], one["option"]): (one["value"], one["source"])
        for one in run_json("config", *arguments)["settings"]
    }


def test_the_nearest_wins(run_json: Show, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [shown(run_json)[("tune", "trials")]]
    users_file(tmp_path).write_text("trials = 1\n")
    found.append(shown(run_json)[("tune", "trials")])
    users_file(tmp_path).write_text("trials = 1\n[tune]\ntrials = 2\n")
    found.append(shown(run_json)[("tune", "trials")])
    (folder / "tunedb.toml").write_text("trials = 3\n")
    found.append(shown(run_json)[("tune", "trials")])
    monkeypatch.setenv("TUNEDB_TRIALS", "4")
    found.append(shown(run_json)[("tune", "trials")])
    monkeypatch.setenv("TUNEDB_TUNE_TRIALS", "5")
    found.append(shown(run_json)[("tune", "trials")])
    assert found == [
        (64, "default"),
        *((number, "file") for number in (1, 2, 3)),
        (4, "environment"),
        (5, "environment"),
    ]


def test_a_command_goes_by_them_and_flags_win(
    run: Run, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tunedb.toml").write_text(f'store = "{store}"\njson = true\n[stats]\nrejected = 0\n')
    assert '"trials"' in run("stats").stdout
    monkeypatch.setenv("TUNEDB_JSON", "0")
    assert run("stats").stdout.startswith("store ")
    monkeypatch.setenv("TUNEDB_STORE", str(folder / "none"))
    assert run("stats").exit_code == 3
    assert run("stats", "--store", store).exit_code == 0


def test_every_option_of_every_verb_can_be_set_in_both_ways(
    run_json: Show, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: Any = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    defaults = shown(run_json)
    assert {verb for verb, _ in defaults} == set(commands)
    names: set[str] = set()
    for verb, command in commands.items():
        for key, option in options_of(command).items():
            assert (verb, key) in defaults
            own, everywhere = option.envvar or ()
            assert everywhere == f"TUNEDB_{key.replace('-', '_').upper()}"
            assert own == f"TUNEDB_{verb.upper()}_{key.replace('-', '_').upper()}"
            assert own not in names
            names.add(own)
    assert not names & {name.replace("TUNEDB_", "") for name in names}


@pytest.mark.parametrize("name", ["time_limit", "time-limit"])
def test_keys_are_options_without_dashes_in_front(run_json: Show, folder: Path, name: str) -> None:
    (folder / "tunedb.toml").write_text(f"{name} = 2\n")
    assert shown(run_json)[("sql", "time-limit")] == (2.0, "file")


def test_lists_flags_and_switches(run_json: Show, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tunedb.toml").write_text('[evaluate]\nmodel = ["a", "b"]\n[tune]\ncheck = false\ncaches = "network"\n')
    found = shown(run_json)
    assert found[("evaluate", "model")] == (["a", "b"], "file")
    assert found[("tune", "check")] == (False, "file")
    assert found[("tune", "caches")] == ("network", "file")
    monkeypatch.setenv("TUNEDB_CHECK", "yes")
    monkeypatch.setenv("TUNEDB_MODEL", "c d")
    found = shown(run_json)
    assert found[("evaluate", "model")] == (["c", "d"], "environment")
    assert found[("tune", "check")] == (True, "environment")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails = 1", "there is no option 'trails'; did you mean 'trials'?"),
        ("[tune]\ntrails = 1", "[tune] there is no option 'trails'; did you mean 'trials'?"),
        ("[tun]\ntrials = 1", "there is no verb 'tun' for [tun]; did you mean 'tune'?"),
        ("[stats]\ntrials = 1", "[stats] there is no option 'trials'"),
        ('[tune]\ntrials = "1"', '[tune] trials = "1" is not a whole number'),
        ("[tune]\ntrials = true", "[tune] trials = true is not a whole number"),
        ("[tune]\ntrials = 1.5", "[tune] trials = 1.5 is not a whole number"),
        ("[tune]\ntrials = -1", "[tune] trials = -1: "),
        ("[tune]\ncheck = 1", "[tune] check = 1 is not true or false"),
        ("[tune]\nno-check = true", "there is no option 'no-check'"),
        ('[tune]\nstrategy = "b"', "'bo', 'evolutionary', 'random'"),
        ("[evaluate]\nmodel = [1]", "[evaluate] model = [1] is not a text"),
        ("store = 1979-05-27", "store = 1979-05-27 is not a text"),
        ("[tune.deeper]\nx = 1", "[tune] there is no option 'deeper'"),
        ("x = [", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("é = \udcff", "is not TOML"),
    ],
)
@pytest.mark.parametrize("verb", ["config", "stats"])
def test_what_makes_no_sense_is_named_with_its_file(run: Run, folder: Path, text: str, said: str, verb: str) -> None:
    path = folder / "tunedb.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run(verb)
    assert result.exit_code == 2
    assert "tunedb.toml" in result.stderr
    assert said in result.stderr
    assert run(verb, "--help").exit_code == 0


def test_a_file_of_ones_own(run: Run, run_json: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users_file(tmp_path).write_text("trials = 1\n")
    monkeypatch.setenv("TUNEDB_CONFIG", str(tmp_path / "other"))
    result = run("config")
    assert result.exit_code == 2
    assert "TUNEDB_CONFIG" in result.stderr
    (tmp_path / "other").write_text("seed = 7\n")
    found = shown(run_json, "tune")
    assert (found[("tune", "seed")], found[("tune", "trials")]) == ((7, "file"), (64, "default"))
    monkeypatch.setenv("TUNEDB_CONFIG", "/dev/null")
    assert run_json("config")["files"] == ["/dev/null"]


def test_a_folder_in_the_place_of_the_file(run: Run, folder: Path) -> None:
    (folder / "tunedb.toml").mkdir()
    result = run("stats")
    assert result.exit_code == 2
    assert "cannot read the configuration file tunedb.toml: Is a directory" in result.stderr


def test_a_variable_that_makes_no_sense_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEDB_TRIALS", "many")
    for arguments in (("tune", "x"), ("config",)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "TUNEDB_TRIALS says so" in result.stderr
    assert "TUNEDB_TRIALS" not in run("tune", "x", "--trials", "many").stderr


def test_variables_that_nothing_reads(run: Run, run_json: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEDB_TRAILS", "1")
    assert run_json("config")["unknown_variables"] == [{"name": "TUNEDB_TRAILS", "nearest": "TUNEDB_TRIALS"}]
    assert "nothing reads TUNEDB_TRAILS: did you mean TUNEDB_TRIALS?" in run("config").stderr


def test_config_as_text(run: Run, folder: Path) -> None:
    (folder / "tunedb.toml").write_text('store = "/there"\n[tune]\ntrials = 8\n')
    lines = [line.split() for line in run("config").stdout.splitlines()]
    assert ["(all)", "store", "/there", str(folder / "tunedb.toml")] in lines
    assert ["tune", "trials", "8", str(folder / "tunedb.toml")] in lines
    assert ["tune", "seed", "0", "default"] in lines
    assert run("config", "nosuch").exit_code == 3
