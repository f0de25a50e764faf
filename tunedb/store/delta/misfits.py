"""Trials that cannot be of the module that they name: their arguments or their blocks are another program's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tunedb.errors import BadInputError
from tunedb.program.arguments import Entry, misfit, read_entry
from tunedb.program.graph import ProgramGraph
from tunedb.store.delta.tables import TableSet

_KINDS = """
SELECT module_id, instructions_id, args_info, count(*), min(trial_id)
FROM {trials} WHERE module_id <> '' GROUP BY module_id, instructions_id, args_info ORDER BY module_id
"""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Trials that are alike in what they say of their program, which is not the module that they name."""

    module_id: str
    instructions_id: str
    args_info: bytes
    num_trials: int
    example: str  # a trial_id
    reason: str

    def problem(self) -> str:
        """What is wrong, for people."""
        return f"{self.num_trials} trials are not of the module {self.module_id}, such as {self.example}: {self.reason}"


def misfits(tables: TableSet) -> Iterator[Misfit]:
    """The trials of a store that cannot be of their modules. What cannot be read of a module is left open."""
    entry, known = Entry((), frozenset()), ""
    for module_id, instructions_id, args_info, count, example in tables.ask(_KINDS):
        if module_id != known:
            entry, known = _entry(tables, module_id), module_id
        instructions = tables.ask(
            "SELECT instructions FROM {instructions} WHERE instructions_id = ? LIMIT 1", [instructions_id]
        )
        reason = misfit(entry, args_info or b"", instructions[0][0] or b"" if instructions else b"")
        if reason:
            yield Misfit(module_id, instructions_id, args_info, count, example, reason)


def _entry(tables: TableSet, module_id: str) -> Entry:
    found = tables.ask("SELECT module_json FROM {modules} WHERE module_id = ? LIMIT 1", [module_id])
    try:
        return read_entry(ProgramGraph(found[0][0] or b""))
    except (BadInputError, IndexError):
        return Entry((), frozenset())
