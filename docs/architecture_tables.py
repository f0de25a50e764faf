"""Fills the tables of ARCHITECTURE.md: one a package, a row a module, in the words of the module's own docstring.

The layers of the packages are filled in too, from the contracts in pyproject.toml.

    python docs/architecture_tables.py            # rewrites the tables
    python docs/architecture_tables.py --check    # exits 1 and says so when they are not what the tree has

`make architecture` runs the first, a test the second, so that a table cannot rot.
"""

from __future__ import annotations

import ast
import itertools
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
PACKAGES = ("tunedb", "costmodels", "search", "service", "cli")
BEGIN_LAYERS, END_LAYERS = "<!-- layers -->", "<!-- end of layers -->"
BEGIN, END = "<!-- tables of {package} -->", "<!-- end of {package} -->"


def first_sentence(path: Path) -> str:
    """The first line of a module's docstring, without its full stop.

    Raises:
        ValueError: the module has none.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{path} has no docstring")
    return text.splitlines()[0].rstrip(".").replace("|", "\\|")


def tables(package: str) -> Iterator[str]:
    """The lines of all tables of a package, its own first, then those of its sub-packages by name."""
    folders = sorted(path.parent for path in (ROOT / package).rglob("__init__.py"))
    for folder in folders:
        name = folder.relative_to(ROOT).as_posix()
        yield from (f"### `{name}/`", "", f"{first_sentence(folder / '__init__.py')}.", "")
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        if not modules:
            continue
        yield from ("| module | what it is for |", "|---|---|")
        for path in modules:
            yield f"| `{path.name}` | {first_sentence(path)} |"
        yield ""


def layers() -> Iterator[str]:
    """The layers of the packages side by side, the uppermost first, as import-linter's contracts have them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    columns = [[name, *("  " + layer for layer in contract["layers"])] for name, contract in _of_packages(contracts)]
    widths = [max(map(len, column)) + 2 for column in columns]
    for row in itertools.zip_longest(*columns, fillvalue=""):
        yield "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _of_packages(contracts: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The contracts that lay out one package each, by its name."""
    for contract in contracts:
        for name in contract.get("containers", ()):
            yield name, contract


def filled(page: str) -> str:
    """The page with the layers and tables that the tree has now."""
    before, rest = page.split(BEGIN_LAYERS)
    page = "\n".join([before + BEGIN_LAYERS, "", "```", *layers(), "```", "", END_LAYERS]) + rest.split(END_LAYERS)[1]
    for package in PACKAGES:
        begin, end = BEGIN.format(package=package), END.format(package=package)
        before, rest = page.split(begin)
        page = "\n".join([before + begin, "", *tables(package), end]) + rest.split(end)[1]
    return page


def main() -> None:
    """Rewrites the page, or checks it."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = filled(page)
    if "--check" in sys.argv[1:]:
        if page != wanted:
            sys.exit("ARCHITECTURE.md does not list the modules as they are: run `make architecture`")
        return
    PAGE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
