"""The unit of work of an ingest: a piece of a record file, a few hundred lines long, and what reading it gives.

A piece can be read anywhere: it brings along all that its lines refer to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tunedb.ingest.formats import ansor, autotvm
from tunedb.ingest.formats.detect import Format
from tunedb.ingest.formats.legacy import OtherTunerReader
from tunedb.ingest.formats.metaschedule import ListedWorkload, RecordReader
from tunedb.records import Rejected, Target, Workload
from tunedb.store.batch import TrialColumns, TrialRows

_ENTRIES = {Format.AUTOTVM: autotvm.entry_of, Format.ANSOR: ansor.entry_of}


@dataclass(frozen=True, slots=True)
class RecordFile:
    """What the lines of one record file have in common."""

    uri: str
    format: Format
    source_id: str
    hardware_id: str
    workloads: list[ListedWorkload | None] | None = None  # by index; None: not known
    head: bytes = b""  # its first line, which tells files without a workload file apart
    first_hardware_id: str = ""  # of which trials' ids are made, where it is another than theirs


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a record file."""

    file: RecordFile
    first: int  # number of its first line, from 1
    content: bytes


@dataclass(slots=True)
class Parsed:
    """What a chunk says."""

    trials: TrialColumns = field(default_factory=TrialColumns)
    workloads: list[Workload] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    num_bytes: int = 0  # that it took to say so


class ChunkParser:
    """Reads chunks; remembers what the lines of the last one's file share."""

    def __init__(self) -> None:
        self._file: RecordFile | None = None
        self._reader: RecordReader | OtherTunerReader | None = None
        self._parsed = Parsed()

    def parse(self, chunk: Chunk) -> Parsed:
        """Reads all lines of a chunk.

        Args:
            chunk: the chunk, of any file; the chunks of one file are best read one after the other.

        Returns:
            What its lines say; those that are bad are among the rejected.
        """
        reader = self._reader_of(chunk.file)
        self._parsed = parsed = Parsed(num_bytes=len(chunk.content))
        lines = chunk.content.split(b"\n")
        if not lines[-1]:
            lines.pop()
        rows = TrialRows()
        for number, line in enumerate(lines, chunk.first):
            bad = reader.read(number, line, rows)
            if bad is not None:
                parsed.rejected.append(bad)
        parsed.trials = TrialColumns.of(rows)
        return parsed

    def _reader_of(self, file: RecordFile) -> RecordReader | OtherTunerReader:
        if self._reader is None or file != self._file:
            self._file = file
            common = (file.uri, file.source_id, file.hardware_id, self._add_target, self._add_workload)
            if file.format is Format.RECORDS:
                self._reader = RecordReader(*common, file.workloads, file.head, file.first_hardware_id)
            else:
                self._reader = OtherTunerReader(*common, _ENTRIES[file.format], file.first_hardware_id)
        return self._reader

    def _add_target(self, target: Target) -> None:
        self._parsed.targets.append(target)

    def _add_workload(self, workload: Workload) -> None:
        self._parsed.workloads.append(workload)
