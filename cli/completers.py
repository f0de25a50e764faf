"""What the store has, offered while a word is typed. An error offers nothing: it is no time for messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tunedb.store.contract import Store

_MOST = 100  # of offers: nobody reads more
_DIGITS = 12  # of an id, which is enough to tell it

Offer = tuple[str, str]  # what may be written, and what it is
Completer = Callable[[typer.Context, str], list[Offer]]


def workloads(context: typer.Context, incomplete: str) -> list[Offer]:
    """Workloads by the prefixes of their hashes."""
    return _offers(context, incomplete, lambda store: _rows(store, "workloads", "workload_id", "name"))


def specs(context: typer.Context, incomplete: str) -> list[Offer]:
    """What can be tuned: workloads, and files, which a shell completes by itself only where nothing else is offered."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    try:
        entries = [f"{entry}/" if entry.is_dir() else str(entry) for entry in sorted(folder.iterdir())]
    except OSError:
        entries = []
    files = [(entry, "") for entry in entries if entry.startswith(incomplete) and not Path(entry).name.startswith(".")]
    return workloads(context, incomplete) + files[:_MOST]


def targets(context: typer.Context, incomplete: str) -> list[Offer]:
    """Targets by their archs, and by the prefixes of their ids."""

    def found(store: Store) -> Iterator[Offer]:
        for target in store.targets():
            if target.arch:
                yield target.arch, target.text
        for target in store.targets():
            yield target.target_id, target.text

    return _offers(context, incomplete, found)


def sources(context: typer.Context, incomplete: str) -> list[Offer]:
    """Sources by their paths; not what was done to the store."""
    from tunedb.store.schema import NOTES

    def found(store: Store) -> Iterator[Offer]:
        return ((row.uri, row.format) for row in store.sources() if row.format not in NOTES)

    return _offers(context, incomplete, found, cut=False)


def runs(context: typer.Context, incomplete: str) -> list[Offer]:
    """Tuning runs by the ids that `tunedb report` takes, and what each set out to do."""
    from tunedb.query.runs import LAST, tuning_runs

    def found(store: Store) -> Iterator[Offer]:
        yield LAST, "the most recent"
        yield from ((row.uri.partition(":")[2], row.detail) for row in reversed(tuning_runs(store)))

    return _offers(context, incomplete, found)


def hardware(context: typer.Context, incomplete: str) -> list[Offer]:
    """Machines by their names."""
    return _offers(context, incomplete, lambda store: ((row.name, row.kind) for row in store.hardware()), cut=False)


def models(context: typer.Context, incomplete: str) -> list[Offer]:
    """Models by their names."""
    from costmodels.registry.choose import saved_models

    def found(store: Store) -> Iterator[Offer]:
        for saved in saved_models(store):
            yield saved.manifest.name, saved.manifest.kind

    return _offers(context, incomplete, found, cut=False)


def _rows(store: Store, table: str, key: str, what: str) -> Iterator[Offer]:
    with store.table(table) as reader:
        for batch in reader:
            yield from zip(batch.column(key).to_pylist(), batch.column(what).to_pylist(), strict=True)


def _offers(
    context: typer.Context, incomplete: str, found: Callable[[Store], Iterator[Offer]], *, cut: bool = True
) -> list[Offer]:
    """What a store has that begins with what is typed already, each once.

    Args:
        context: of the command line so far; it knows the store.
        incomplete: the word so far.
        found: what there is.
        cut: whether hashes are offered in short, unless they are typed further.
    """
    try:
        with _store(context) as store:
            fitting = (offer for offer in found(store) if offer[0].startswith(incomplete))
            length = max(_DIGITS, len(incomplete) + 4)
            shown = ((_short(word, length) if cut else word, what) for word, what in fitting)
            return list(islice({word: (word, what) for word, what in shown}.values(), _MOST))
    except Exception:
        return []


def _short(word: str, length: int) -> str:
    is_hash = len(word) == 32 and all(letter in "0123456789abcdef" for letter in word)
    return word[:length] if is_hash else word


@contextmanager
def _store(context: typer.Context) -> Iterator[Store]:
    from cli.options import default_store
    from tunedb.store.opening import open_store

    with open_store(context.params.get("store") or default_store(), create=False) as store:
        yield store
