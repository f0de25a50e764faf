"""The ingest: reads files, folders and archives into a store, in batches, whatever is wrong with some of them.

What cannot be read is named, counted and quarantined; everything good around it is stored. A container is read three
times: to look at what is in it and compare checksums; then its workload files; then its record files, because records
refer to workloads by line number and an archive brings them in any order. Memory does not grow with the logs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import BinaryIO

from tunedb import identity
from tunedb.errors import BadInputError
from tunedb.ingest.chunks import Chunk, Parsed, RecordFile
from tunedb.ingest.containers import LogFile, spooled
from tunedb.ingest.formats.detect import ARCHIVES, HEAD_BYTES, RESULTS, TABLES, Format
from tunedb.ingest.formats.metaschedule import KEPT_BYTES, listed, read_workload
from tunedb.ingest.formats.origins import Origins
from tunedb.ingest.lines import line_blocks, numbered_lines
from tunedb.ingest.parallel import ParallelParser
from tunedb.ingest.partners import highest_index, origins_beside, workload_file
from tunedb.ingest.paths import Found, find
from tunedb.ingest.programs import Programs
from tunedb.ingest.report import LISTED, FileReport, IngestProgress, IngestReport, Skipped
from tunedb.ingest.results import ResultFile
from tunedb.ingest.survey import Seen, Survey, survey
from tunedb.ingest.tables import Record, TrialTable
from tunedb.machine.hardware import UNKNOWN, unknown_machine
from tunedb.records import Hardware, Module, Rejected, Source, Target, Trial, Verdict, Workload
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.contract import Store

__all__ = ["FileReport", "IngestProgress", "IngestReport", "ingest"]

_LOG = logging.getLogger(__name__)
_BATCH_ROWS = 16_384
_BATCH_BYTES = 64 << 20
_ARCHIVE = "archive"  # the format of a file report of what is no log itself


def ingest(
    store: Store,
    paths: Iterable[str | Path | BinaryIO],
    *,
    hardware: Hardware | None = None,
    salvage: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Reads logs into a store. Doing it again adds nothing.

    Nothing of a compressed file or archive is stored before its checksums hold.

    Args:
        store: the store that the records are added to.
        paths: the files (plain, .gz, .xz, .zst, .bz2), tar and zip archives of them, and folders, recursively; or a
            stream of what a file may hold, such as `sys.stdin.buffer`.
        hardware: the machine that the trials were measured on. By default it is unknown, as logs do not say: each log
            then has an unknown machine of its own, and trials of two are never pooled.
        salvage: whether to store what precedes the damage of a file or archive that is cut off or damaged; the source
            of such trials says `"salvaged": true` in its detail.
        on_progress: called after every batch and file with how far the ingest is.

    Returns:
        What was read, added and rejected.

    Raises:
        StoreError: the store cannot be written. What was committed before stays.
    """
    run = _Ingest(store, None if hardware == UNKNOWN else hardware, on_progress, salvage=salvage)
    try:
        for found in find(paths):
            if isinstance(found, Rejected):
                run.reject(found)
            elif isinstance(found, Skipped):
                run.report.skip(found.uri, found.reason)
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
        self,
        store: Store,
        hardware: Hardware | None,
        on_progress: Callable[[IngestProgress], None] | None,
        *,
        salvage: bool,
    ) -> None:
        self.report = IngestReport()
        self._store = store
        self._hardware = hardware
        self._on_progress = on_progress
        self._salvage = salvage
        self._machines = {row.name: row.hardware_id for row in store.hardware()}
        self._batch = self._new_batch()
        self._bytes = 0
        self._reports: dict[str, FileReport] = {}  # by source_id, of files whose records are not all committed
        self._parser = ParallelParser()
        self._rejected: list[Rejected] = []

    def container(self, found: Found) -> None:
        """Reads all logs of a container."""
        look = survey(found.container, salvage=self._salvage)
        if look.fault:
            self.reject(Rejected(found.container.uri, 0, look.fault), FileReport(found.container.uri, _ARCHIVE))
        passed_over: list[Seen] = []
        for seen in look.files:
            explicit = seen.name in found.explicit
            if seen.fault and (seen.is_log or explicit or seen.looks_like_a_log):
                report = FileReport(seen.uri, seen.form.value) if seen.is_log else None
                self.reject(Rejected(seen.uri, 0, seen.fault), report)
            elif seen.form in ARCHIVES:
                self.reject(Rejected(seen.uri, 0, "an archive within an archive"), FileReport(seen.uri, _ARCHIVE))
            elif explicit and not seen.is_log:
                self.reject(Rejected(seen.uri, 0, seen.otherwise, seen.head))
            elif not seen.is_log:
                passed_over.append(seen)
        others = len(look.files) > len(passed_over) or bool(look.fault)
        if found.is_one_of_many and not others:
            self.report.skip(found.container.uri, "an archive without tuning logs")
        else:
            for seen in passed_over:
                self.report.skip(seen.uri, seen.fault or seen.otherwise)
        if found.expects_logs and not others:
            self.reject(Rejected(found.container.uri, 0, "no tuning logs here"))
        self._logs(look)

    def _logs(self, look: Survey) -> None:
        """Reads the logs of a container: workload files first, wherever they stand."""
        good = {seen.uri: seen for seen in look.files if seen.is_log and seen.good_bytes != 0}
        workloads = {seen.name for seen in good.values() if seen.form is Format.WORKLOADS}
        origins = {seen.name for seen in good.values() if seen.form is Format.ORIGINS}
        records = {seen.name for seen in good.values()} - workloads - origins
        programs: dict[str, Programs] = {}
        try:
            for file in look.container.files(only=workloads) if workloads else ():
                if file.uri in good:
                    programs[file.name] = self._workloads(file, good[file.uri])
            broken = {seen.name for seen in look.files if seen.fault} - set(programs)
            for file in look.container.files(only=records) if records else ():
                if file.uri not in good:
                    continue
                if good[file.uri].form in (*TABLES, *RESULTS):
                    self._table_file(look, file, good[file.uri])
                else:
                    with origins_beside(look.container, file.name, origins) as told:
                        self._record_file(look, file, good[file.uri], programs, broken, told)
        except BadInputError as error:  # it was good when it was looked at
            self.reject(Rejected(look.container.uri, 0, str(error)))

    def _workloads(self, file: LogFile, seen: Seen) -> Programs:
        programs = Programs()
        report = FileReport(file.uri, Format.WORKLOADS.value)
        self.report.files.append(report)
        try:
            with file.open(seen.good_bytes) as stream:
                for number, line in numbered_lines(stream, only_whole=seen.good_bytes is not None):
                    if not line.strip():
                        programs.add_blank()
                        continue
                    try:
                        workload, module = read_workload(line)
                    except BadInputError as error:
                        programs.add(None)
                        report.rejected += 1
                        self.reject(Rejected(file.uri, number, str(error), line[:KEPT_BYTES].rstrip(b"\r\n")))
                        continue
                    programs.add(listed(workload, module))
                    report.workloads += 1
                    self._add_program(workload, module)
                    self._flush_if_full()
        except BadInputError as error:
            report.rejected += 1
            self.reject(Rejected(file.uri, 0, str(error)))
        return programs

    def _record_file(
        self,
        look: Survey,
        file: LogFile,
        seen: Seen,
        programs: Mapping[str, Programs],
        broken: Collection[str],
        origins: Origins | None,
    ) -> None:
        report = FileReport(file.uri, seen.form.value)
        self.report.files.append(report)
        partner, is_broken = workload_file(file.name, programs, broken)
        if is_broken and seen.form is Format.RECORDS and not self._salvage:
            report.rejected += 1
            reason = "its workload file cannot be read: nothing of it is stored"
            self.reject(Rejected(file.uri, 0, reason))
            return
        refs = None if partner is None else partner.refs(lambda: highest_index(look.container, file.name))
        if origins is not None:
            self.flush()  # from here on the trials of other sources are this file's
        source = identity.source(file.uri, seen.form.value, seen.detail(is_salvaged=look.is_salvaged))
        self._reports[source.source_id] = report
        self._batch.sources.append(source)
        try:
            with file.open(seen.good_bytes) as stream:
                given = stream.peek(HEAD_BYTES).split(b"\n")
                lines = list(dropwhile(lambda line: not line.strip(), given)) or [b""]
                machine, first = self._machine(file.uri, lines)
                head = lines[0].strip()
                whole = RecordFile(
                    file.uri, seen.form, source.source_id, machine.hardware_id, refs or None, head, first
                )
                blocks = line_blocks(stream, only_whole=seen.good_bytes is not None)
                chunks = (Chunk(whole, first, content) for first, content in blocks)
                for parsed in self._parser.parse(chunks):
                    report.records += len(parsed.trials)
                    report.rejected += len(parsed.rejected)
                    untold = len(parsed.trials) if origins is None else self._tell_origins(report, origins, parsed)
                    if untold and first:
                        report.unknown_machine = machine.name
                        self._batch.hardware.append(machine)
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
        if not report.records and not report.rejected:
            self.report.skip(file.uri, "a log without records")
        if seen.form is Format.RECORDS and not refs and report.records:
            report.rejected += 1
            state = "damaged" if is_broken else "missing" if refs is None else "empty"
            self.reject(Rejected(file.uri, 0, f"its workload file is {state}: its trials are of unknown workloads"))
        self._tell(file.uri)

    def _table_file(self, look: Survey, file: LogFile, seen: Seen) -> None:
        """Reads a file whose rows stand for themselves: what an export wrote as a table, or a tuner's results."""
        report = FileReport(file.uri, seen.form.value)
        self.report.files.append(report)
        self.flush()  # from here on sources' trials are this file's
        try:
            with file.open(seen.good_bytes) as stream, spooled(file, stream) as path:
                table = self._rows_of(path, file, seen, is_salvaged=look.is_salvaged)
                for number, record in table.records():
                    self._add_record(report, number, record)
                for number, verdict in table.verdicts():
                    self._add_record(report, number, verdict)
                for rows in table.trials(self._batch_target):
                    good = [row for _, row in rows if isinstance(row, Trial)]
                    report.records += len(good)
                    self._reports.update({row.source_id: report for row in good})
                    self._batch.trials.extend(TrialColumns.of(TrialRows.of(good)))
                    self._bytes += sum(len(row.trace.instructions) + len(row.trace.decisions) for row in good)
                    for number, row in rows:
                        if not isinstance(row, Trial):
                            report.rejected += 1
                            self.reject(row if isinstance(row, Rejected) else Rejected(file.uri, number, str(row)))
                    if self._flush_if_full():
                        self._tell(file.uri)
                if isinstance(table, ResultFile) and report.records:
                    report.unknown_machine = table.unknown_machine
        except BadInputError as error:
            report.rejected += 1
            self.reject(Rejected(file.uri, 0, str(error)))
        self.flush()
        self._tell(file.uri)

    def _rows_of(self, path: Path, file: LogFile, seen: Seen, *, is_salvaged: bool) -> TrialTable | ResultFile:
        if seen.form in TABLES:
            return TrialTable(path, seen.form)
        detail = seen.detail(is_salvaged=is_salvaged)
        machine_of = partial(self._machine, file.uri)
        return ResultFile(path, seen.form, file.uri, file.name, detail, machine_of, self._hardware)

    def _add_record(self, report: FileReport, number: int, record: Record | Verdict | BadInputError | Rejected) -> None:
        match record:
            case Workload():
                self._batch.workloads.append(record)
                self._bytes += len(record.signature)
            case Module():
                self._batch.modules.append(record)
                self._bytes += len(record.module_json)
            case Hardware():
                self._batch.hardware.append(record)
            case Source():
                self._batch.sources.append(record)
            case Verdict():
                self._batch.verdicts.append(record)
            case BadInputError():
                report.rejected += 1
                self.reject(Rejected(report.uri, number, str(record)))
            case Rejected():
                report.rejected += 1
                self.reject(record)
        self._flush_if_full()

    def _batch_target(self, target: Target) -> None:
        self._batch.targets.append(target)

    def _tell_origins(self, report: FileReport, origins: Origins, parsed: Parsed) -> int:
        """Gives trials the origins that an export wrote beside them; how many have none."""
        untold = origins.tell(parsed.trials)
        self._batch.hardware += origins.hardware.values()
        self._batch.sources += origins.sources.values()
        self._reports.update(dict.fromkeys(origins.sources, report))
        return untold

    def _machine(self, uri: str, lines: Sequence[bytes]) -> tuple[Hardware, str]:
        """The machine of a log's trials, and the id of the one that their ids are made of, where it is another."""
        if self._hardware is not None:
            return self._hardware, ""
        machine = unknown_machine(identity.log_origin(lines), uri, self._machines)
        self._machines[machine.name] = machine.hardware_id
        return machine, UNKNOWN.hardware_id

    def _add_program(self, workload: Workload, module: Module) -> None:
        self._batch.workloads.append(workload)
        self._batch.modules.append(module)
        self._bytes += len(module.module_json) + len(workload.signature)

    def reject(self, rejected: Rejected, report: FileReport | None = None) -> None:
        """Takes note of bad input; with the report of a file that is rejected as a whole."""
        self.report.num_rejected += 1
        if len(self._rejected) < LISTED:
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
