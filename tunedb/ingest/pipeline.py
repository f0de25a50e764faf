"""The ingest: reads files, folders and archives into a store, in batches, whatever is wrong with some of them.

What cannot be read is named, counted and quarantined; everything good around it is stored. A container is read twice:
first its workload files, then its record files, because records refer to workloads by line number and an archive
brings them in any order. Memory does not grow with the logs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from tunedb import identity
from tunedb.errors import BadInputError
from tunedb.ingest.archives import READ_ERRORS, Container, LogFile, line_blocks, numbered_lines
from tunedb.ingest.chunks import Chunk, RecordFile
from tunedb.ingest.formats.detect import HEAD_BYTES, RECORD_FORMATS, Format, detect, partner_name
from tunedb.ingest.formats.metaschedule import KEPT_BYTES, ListedWorkload, listed, read_workload
from tunedb.ingest.parallel import ParallelParser
from tunedb.ingest.paths import Found, find
from tunedb.ingest.report import FileReport, IngestProgress, IngestReport
from tunedb.machine.hardware import UNKNOWN, unknown_machine
from tunedb.records import Hardware, Module, Rejected, Workload
from tunedb.store.batch import Batch
from tunedb.store.contract import Store

__all__ = ["FileReport", "IngestProgress", "IngestReport", "ingest"]

_LOG = logging.getLogger(__name__)
_BATCH_ROWS = 16_384
_BATCH_BYTES = 64 << 20
_REPORTED = 1000  # rejections listed in the report; all are counted and quarantined
_Refs = list[ListedWorkload | None]  # of each line of a workload file


def ingest(
    store: Store,
    paths: Iterable[str | Path | BinaryIO],
    *,
    hardware: Hardware | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Reads logs into a store. Doing it again adds nothing.

    Args:
        store: the store that the records are added to.
        paths: the files (plain, .gz, .xz, .zst, .bz2), tar archives of them, and folders, recursively; or a stream of
            what a file may hold, such as `sys.stdin.buffer`.
        hardware: the machine that the trials were measured on. By default it is unknown, as logs do not say: each log
            then has an unknown machine of its own, and trials of two are never pooled.
        on_progress: called after every batch and file with how far the ingest is.

    Returns:
        What was read, added and rejected.

    Raises:
        StoreError: the store cannot be written. What was committed before stays.
    """
    run = _Ingest(store, None if hardware == UNKNOWN else hardware, on_progress)
    try:
        for found in find(paths):
            if isinstance(found, Rejected):
                run.reject(found)
            else:
                run.container(found)
        run.flush()
    except KeyboardInterrupt:
        run.flush()
        raise
    finally:
        run.close()
    return run.report


class _Ingest:
    def __init__(
        self, store: Store, hardware: Hardware | None, on_progress: Callable[[IngestProgress], None] | None
    ) -> None:
        self.report = IngestReport()
        self._store = store
        self._hardware = hardware
        self._on_progress = on_progress
        self._machines = {row.name: row.hardware_id for row in store.hardware()}
        self._batch = self._new_batch()
        self._bytes = 0
        self._reports: dict[str, FileReport] = {}  # by source_id, of files whose records are not all committed
        self._parser = ParallelParser()
        self._rejected: list[Rejected] = []

    def container(self, found: Found) -> None:
        """Reads all logs of a container."""
        container = found.container
        refs: dict[str, _Refs] = {}
        records: dict[str, Format] = {}
        others = 0
        try:
            for file in container.files():
                form = self._first_pass(file, refs, explicit=file.name in found.explicit)
                if form in RECORD_FORMATS:
                    records[file.name] = form
                elif form is not None and form is not Format.WORKLOADS:
                    others += 1
        except BadInputError as error:
            self.reject(Rejected(container.uri, 0, str(error)))
            others += 1
        if records:
            self._records(container, records, refs)
        elif found.expects_logs and not refs and not others:
            self.reject(Rejected(container.uri, 0, "no tuning logs here"))

    def _records(self, container: Container, formats: Mapping[str, Format], refs: Mapping[str, _Refs]) -> None:
        try:
            for file in container.files(only=formats):
                partner = partner_name(file.name)
                if partner not in refs:
                    folder = file.name.rpartition("/")[0]
                    beside = [name for name in refs if name.rpartition("/")[0] == folder]
                    partner = beside[0] if not partner and len(beside) == 1 else ""
                self._record_file(file, formats[file.name], refs.get(partner))
        except BadInputError as error:
            self.reject(Rejected(container.uri, 0, str(error)))

    def _first_pass(self, file: LogFile, refs: dict[str, _Refs], *, explicit: bool) -> Format | None:
        """Reads a workload file, and says what any other is; None when it is to be skipped."""
        try:
            with file.open() as stream:
                try:
                    head = stream.peek(HEAD_BYTES)
                except READ_ERRORS as error:
                    raise BadInputError(f"cannot be read: {error}") from error
                form = detect(file.name, head)
                if form is Format.WORKLOADS:
                    refs[file.name] = self._workloads(file.uri, stream)
                    return form
        except BadInputError as error:
            self.reject(Rejected(file.uri, 0, str(error)))
            return Format.UNKNOWN
        if form in RECORD_FORMATS:
            return form
        if form is Format.TAR:
            self.reject(Rejected(file.uri, 0, "an archive within an archive"), FileReport(file.uri, form.value))
            return form
        if explicit:
            self.reject(Rejected(file.uri, 0, "not a tuning log" if head else "an empty file", head[:KEPT_BYTES]))
            return form
        self.report.skipped_files += 1
        return None

    def _workloads(self, uri: str, stream: BufferedReader) -> _Refs:
        refs: _Refs = []
        report = FileReport(uri, Format.WORKLOADS.value)
        self.report.files.append(report)
        try:
            for number, line in numbered_lines(stream):
                try:
                    workload, module = read_workload(line)
                except BadInputError as error:
                    refs.append(None)
                    report.rejected += 1
                    self.reject(Rejected(uri, number, str(error), line[:KEPT_BYTES].rstrip(b"\r\n")))
                    continue
                refs.append(listed(workload, module))
                report.workloads += 1
                self._add_program(workload, module)
                self._flush_if_full()
        except BadInputError as error:
            report.rejected += 1
            self.reject(Rejected(uri, 0, str(error)))
        return refs

    def _record_file(self, file: LogFile, form: Format, refs: _Refs | None) -> None:
        source = identity.source(file.uri, form.value)
        report = FileReport(file.uri, form.value)
        self.report.files.append(report)
        self._reports[source.source_id] = report
        self._batch.sources.append(source)
        try:
            with file.open() as stream:
                lines = stream.peek(HEAD_BYTES).split(b"\n")
                machine, first = self._machine(report, lines)
                head = lines[0].strip()
                whole = RecordFile(file.uri, form, source.source_id, machine, refs or None, head, first)
                chunks = (Chunk(whole, first, content) for first, content in line_blocks(stream))
                for parsed in self._parser.parse(chunks):
                    report.records += len(parsed.trials)
                    report.rejected += len(parsed.rejected)
                    self._batch.trials.extend(parsed.trials)
                    self._batch.workloads += parsed.workloads
                    self._batch.targets += parsed.targets
                    self._bytes += parsed.num_bytes
                    for bad in parsed.rejected:
                        self.reject(bad)
                    if self._flush_if_full():
                        self._tell(file.uri)
        except BadInputError as error:
            report.rejected += 1
            self.reject(Rejected(file.uri, 0, str(error)))
        if form is Format.RECORDS and not refs and report.records:
            report.rejected += 1
            state = "missing" if refs is None else "empty"
            self.reject(Rejected(file.uri, 0, f"its workload file is {state}: its trials are of unknown workloads"))
        self._tell(file.uri)

    def _machine(self, report: FileReport, lines: Sequence[bytes]) -> tuple[str, str]:
        """The machine of a log's trials, and the one that their ids are made of, where it is another."""
        if self._hardware is not None:
            return self._hardware.hardware_id, ""
        machine = unknown_machine(identity.log_origin(lines), report.uri, self._machines)
        report.unknown_machine = machine.name
        self._machines[machine.name] = machine.hardware_id
        self._batch.hardware.append(machine)
        return machine.hardware_id, UNKNOWN.hardware_id

    def _add_program(self, workload: Workload, module: Module) -> None:
        self._batch.workloads.append(workload)
        self._batch.modules.append(module)
        self._bytes += len(module.module_json) + len(workload.signature)

    def reject(self, rejected: Rejected, report: FileReport | None = None) -> None:
        """Takes note of bad input; with the report of a file that is rejected as a whole."""
        self.report.num_rejected += 1
        if len(self._rejected) < _REPORTED:
            self._rejected.append(rejected)
            self.report.rejected = tuple(self._rejected)
        self._batch.rejected.append(rejected)
        self._bytes += len(rejected.content)
        if report is not None:
            report.rejected += 1
            self.report.files.append(report)
        self._flush_if_full()

    def _flush_if_full(self) -> bool:
        rows = max(len(self._batch.trials), len(self._batch.rejected))
        full = rows >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES
        if full:
            self.flush()
        return full

    def close(self) -> None:
        """Ends what runs beside."""
        self._parser.close()

    def flush(self) -> None:
        """Commits what was read so far."""
        batch, self._batch, self._bytes = self._batch, self._new_batch(), 0
        if batch.is_empty():
            return
        done = self._store.append_batch(batch)
        for source_id, rows in Counter(batch.trials.column("source_id")).items():
            added, failed = done.by_source.get(source_id, (0, 0))
            report = self._reports[source_id]
            report.added += added
            report.failed_trials += failed
            report.duplicates += rows - added
        _LOG.debug("committed %d trials, %d new", len(batch.trials), done.added)

    def _new_batch(self) -> Batch:
        return Batch(hardware=[] if self._hardware is None else [self._hardware])

    def _tell(self, uri: str) -> None:
        if self._on_progress is not None:
            records = sum(file.records for file in self.report.files)
            self._on_progress(IngestProgress(uri, len(self.report.files), records, self.report.num_rejected))
