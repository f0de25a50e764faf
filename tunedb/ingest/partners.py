"""The files of a container that belong to a record file: its workload file, and what an export told of its origins."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from tunedb.ingest.containers import Container
from tunedb.ingest.formats.detect import partner_name
from tunedb.ingest.formats.origins import Origins, origins_name
from tunedb.ingest.lines import numbered_lines
from tunedb.ingest.programs import Programs

_INDEX = re.compile(rb"\s*\[\s*(\d{1,9})\s*,")


@contextmanager
def origins_beside(container: Container, name: str, known: Collection[str]) -> Iterator[Origins | None]:
    """What an export wrote of the origins of a record file's lines; None if there is nothing."""
    wanted = origins_name(name)
    for file in container.files(only=[wanted]) if wanted in known else ():
        with file.open() as stream:
            yield Origins(line for _, line in numbered_lines(stream))
        return
    yield None


def workload_file(name: str, programs: Mapping[str, Programs], broken: Collection[str]) -> tuple[Programs | None, bool]:
    """The workload file of a record file, and whether there is one that cannot be read.

    It is the one that MetaSchedule's custom names; if the custom says nothing, the only one in the same folder.
    """
    wanted = partner_name(name)
    if wanted:
        return programs.get(wanted), wanted in broken and wanted not in programs
    folder = name.rpartition("/")[0]
    beside = [row for other, row in programs.items() if other.rpartition("/")[0] == folder]
    return (beside[0], False) if len(beside) == 1 else (None, False)


def highest_index(container: Container, name: str) -> int:
    """The highest index of a workload in a record file; -1 if it has none."""
    highest = -1
    for file in container.files(only=[name]):
        with file.open() as stream:
            for _, line in numbered_lines(stream):
                if (found := _INDEX.match(line)) is not None:
                    highest = max(highest, int(found[1]))
    return highest
