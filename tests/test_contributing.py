"""CONTRIBUTING's how-tos name files that there are, and that a reader of ARCHITECTURE's tables finds there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tunedb/", "costmodels/", "search/", "service/", "cli/")


def how_tos() -> dict[str, list[str]]:
    """The paths that each how-to names, by its title."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("## How to add ...")[1].split("\n## ")[0]
    parts = [part.partition("\n") for part in section.split("\n### ")[1:]]
    return {title: re.findall(r"`([\w.-]+(?:/[\w.-]*)+)`", text) for title, _, text in parts}


def architecture() -> dict[str, str]:
    """What ARCHITECTURE's tables say of each folder and file."""
    listed, folder = {}, ""
    for line in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"### `([\w/]+/)`", line):
            folder = heading[1]
            listed[folder] = listed[f"{folder}__init__.py"] = ""
        elif folder and (row := re.fullmatch(r"\| `(\w+\.py)` \| (.*) \|", line)):
            listed[folder + row[1]] = row[2]
        elif folder and line and not listed[folder]:
            listed[folder] = listed[f"{folder}__init__.py"] = line
        elif line.startswith("<!-- end"):
            folder = ""
    return listed


HOW_TOS = how_tos()


@pytest.mark.parametrize("title", HOW_TOS)
def test_a_how_to_names_files_that_there_are(title: str) -> None:
    assert [path for path in HOW_TOS[title] if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("title", HOW_TOS)
def test_a_how_to_s_modules_stand_in_architecture(title: str) -> None:
    listed = architecture()
    assert [path for path in HOW_TOS[title] if path.startswith(PACKAGES) and path not in listed] == []


# What a reader looks for in the tables, who has not read the how-to.
SOUGHT = {
    "A column": "column",
    "A reader of a log format": "log format",
    "A feature family": "family of features",
    "A cost model": "cost model",
    "A strategy": "strateg",
    "A device": "device",
    "A verb": "verb",
    "A condition of a measurement": "condition",
    "A plot": "plot",
    "An error": "error",
    "A route": "problem documents",
}


@pytest.mark.parametrize("title", SOUGHT)
def test_the_file_to_touch_is_found_from_the_tables_alone(title: str) -> None:
    listed = architecture()
    found = [path for path in HOW_TOS[title] if SOUGHT[title] in listed.get(path, "").lower()]
    assert found, {path: listed.get(path) for path in HOW_TOS[title]}


def test_there_is_a_how_to_for_what_is_added_most() -> None:
    wanted = "A column, A table, A reader of a log format, A feature family, A cost model, A strategy, A device, A verb"
    assert set(wanted.split(", ")) <= set(HOW_TOS)
    assert {"A condition of a measurement", "A plot", "An error", "A page", "A dependency", "A release"} <= set(HOW_TOS)
    assert sum(bool(paths) for paths in HOW_TOS.values()) >= len(HOW_TOS) - 2


def test_architecture_s_prose_names_files_that_there_are() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:tunedb|costmodels|search|service|cli)/[\w./]*)`", page))
    assert len(paths) > 40
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
