"""From what a person names to the subjects of a page, and how they compare with each other. No plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from search.bench.results import FILE, read_results
from search.pages.benches import subjects_of
from search.pages.runs import subject_of
from search.pages.subject import Subject
from tunedb.errors import UsageError
from tunedb.query.runs import read_run, resolve_run
from tunedb.store.contract import Store


@dataclass(frozen=True, slots=True)
class Compared:
    """A workload's best in each subject."""

    workload_id: str
    name: str
    best_secs: tuple[float | None, ...]  # of each subject
    ratios: tuple[float | None, ...]  # to the first subject; None where the two must not be compared


def subjects(
    names: Sequence[str], store: Callable[[], AbstractContextManager[Store]], on_step: Callable[[str], None]
) -> list[Subject]:
    """What a page is to show.

    Args:
        names: Runs as `tunedb.query.runs.resolve_run` takes them, and files or folders of benches.
        store: Opens the store; called when the first run of one is asked for.
        on_step: Told what is read.

    Raises:
        NotFoundError: There is no such run, file or store.
        BadInputError: A file is no bench's.
        UsageError: A run is named twice.
    """
    found: list[Subject] = []
    seen: set[str] = set()
    with ExitStack() as stack:
        opened: Store | None = None
        for name in names:
            on_step(name)
            if is_bench(name):
                path = Path(name)
                key = str((path / FILE if path.is_dir() else path).resolve())
                mine = subjects_of(read_results(path))
            else:
                opened = opened or stack.enter_context(store())
                source = resolve_run(opened, name)
                key = source.source_id
                mine = [] if key in seen else [subject_of(opened, read_run(opened, source))]
            if key in seen:
                raise UsageError(f"{name} is named twice")
            seen.add(key)
            found += mine
    return found


def is_bench(name: str) -> bool:
    """Whether a name is that of a bench's document, or of its folder, and not of a run."""
    return name.endswith(".json") or Path(name).is_file() or (Path(name) / FILE).is_file()


def compared(found: Sequence[Subject]) -> list[Compared]:
    """Workloads that several subjects have, those with the largest ratio first: losses of the later ones."""
    rows = []
    names = {task.workload_id: task.name for subject in found for task in subject.tasks}
    for workload_id, name in names.items():
        of_each = [
            next((task.best_secs for task in subject.tasks if task.workload_id == workload_id), None)
            for subject in found
        ]
        if sum(secs is not None for secs in of_each) < 2:
            continue
        first = next(place for place, secs in enumerate(of_each) if secs is not None)
        base = of_each[first]
        ratios = [
            secs / base if secs is not None and base and subject.scope == found[first].scope else None
            for subject, secs in zip(found, of_each, strict=True)
        ]
        rows.append(Compared(workload_id, name, tuple(of_each), tuple(ratios)))
    return sorted(rows, key=lambda row: (-max(ratio or 0.0 for ratio in row.ratios), row.name))
