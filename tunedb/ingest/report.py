"""The reports of an ingest: how far it is while it runs, and what it did at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from tunedb.ingest.formats.detect import Format
from tunedb.records import Rejected

LISTED = 1000  # rejections, and files that were skipped; all are counted


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    uri: str
    format: str
    records: int = 0  # record lines read, good ones only
    added: int = 0
    duplicates: int = 0
    failed_trials: int = 0  # of `added`
    rejected: int = 0
    workloads: int = 0  # good lines of a workload file
    unknown_machine: str = ""  # what stands for the machine of its trials; "" where it was told


@dataclass(slots=True)
class FormatReport:
    """What became of all record files of one format."""

    format: str
    files: int = 0
    records: int = 0
    added: int = 0
    duplicates: int = 0
    failed_trials: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """Where an ingest stands after a batch or file."""

    uri: str
    files: int
    records: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file in a folder or archive that is no log, and nothing that was asked for."""

    uri: str
    reason: str


@dataclass(slots=True)
class IngestReport:
    """What an ingest did."""

    files: list[FileReport] = field(default_factory=list)
    rejected: tuple[Rejected, ...] = ()  # the first thousand
    num_rejected: int = 0
    skipped: list[Skipped] = field(default_factory=list)  # the first thousand
    skipped_files: int = 0  # files in folders and archives that are no logs

    def skip(self, uri: str, reason: str) -> None:
        """Takes note of a file that is passed over."""
        self.skipped_files += 1
        if len(self.skipped) < LISTED:
            self.skipped.append(Skipped(uri, reason))

    @property
    def records(self) -> int:
        """Good record lines of all files."""
        return sum(file.records for file in self.files)

    @property
    def added(self) -> int:
        """Trials that were new."""
        return sum(file.added for file in self.files)

    @property
    def duplicates(self) -> int:
        """Trials that were in the store already, or twice in the logs."""
        return sum(file.duplicates for file in self.files)

    @property
    def failed_trials(self) -> int:
        """Of the added trials, those that failed."""
        return sum(file.failed_trials for file in self.files)

    @property
    def unknown_machines(self) -> int:
        """How many machines nobody told, of those that measured the records."""
        return len({file.unknown_machine for file in self.files if file.records} - {""})

    def formats(self) -> list[FormatReport]:
        """The sums of the files of each record format, by name."""
        sums: dict[str, FormatReport] = {}
        for file in self.files:
            if file.format == Format.WORKLOADS:
                continue
            row = sums.setdefault(file.format, FormatReport(file.format))
            row.files += 1
            for name in ("records", "added", "duplicates", "failed_trials", "rejected"):
                setattr(row, name, getattr(row, name) + getattr(file, name))
        return [sums[name] for name in sorted(sums)]
