"""What is appended together: trials as columns, and the few things that they refer to.

Columns and not objects, because a log of a million trials is read, hashed and written without making one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from tunedb.identity import instructions_id, trace_id_of_parts
from tunedb.records import AppendReport, Hardware, Outcome, Rejected, Source, Target, Trace, Trial, Workload
from tunedb.traces import join_instructions, split_instructions


@dataclass(slots=True)
class TrialColumns:
    """Trials by column; all lists have one length. The shared parts of traces stand once, in `instructions`."""

    trial_id: list[str] = field(default_factory=list)
    workload_id: list[str] = field(default_factory=list)
    module_id: list[str] = field(default_factory=list)
    target_id: list[str] = field(default_factory=list)
    hardware_id: list[str] = field(default_factory=list)
    source_id: list[str] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    trace_id: list[str] = field(default_factory=list)
    instructions_id: list[str] = field(default_factory=list)
    postproc: list[bytes] = field(default_factory=list)
    decisions: list[bytes] = field(default_factory=list)
    args_info: list[bytes] = field(default_factory=list)
    run_secs: list[tuple[float, ...]] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    measured_at: list[datetime | None] = field(default_factory=list)
    instructions: dict[str, bytes] = field(default_factory=dict)  # by instructions_id, not a column

    def __len__(self) -> int:
        return len(self.trial_id)

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> TrialColumns:
        """The columns of some trials."""
        columns = cls()
        for trial in trials:
            shared, postproc = split_instructions(trial.trace.instructions)
            instructions = instructions_id(shared)
            columns.instructions.setdefault(instructions, shared)
            columns.trial_id.append(trial.trial_id)
            columns.workload_id.append(trial.workload_id)
            columns.module_id.append(trial.module_id)
            columns.target_id.append(trial.target_id)
            columns.hardware_id.append(trial.hardware_id)
            columns.source_id.append(trial.source_id)
            columns.position.append(trial.position)
            columns.trace_id.append(trace_id_of_parts(instructions, postproc, trial.trace.decisions))
            columns.instructions_id.append(instructions)
            columns.postproc.append(postproc)
            columns.decisions.append(trial.trace.decisions)
            columns.args_info.append(trial.args_info)
            columns.run_secs.append(trial.run_secs)
            columns.outcome.append(trial.outcome.value)
            columns.error.append(trial.error)
            columns.measured_at.append(trial.measured_at)
        return columns

    def extend(self, others: TrialColumns) -> None:
        """Appends the rows of others."""
        for column in fields(self):
            if column.name == "instructions":
                self.instructions.update(others.instructions)
            else:
                getattr(self, column.name).extend(getattr(others, column.name))

    def keep_whole_rows(self) -> None:
        """Cuts all columns to the shortest."""
        columns = [getattr(self, column.name) for column in fields(self) if column.name != "instructions"]
        rows = min(map(len, columns))
        for column in columns:
            del column[rows:]

    def trial(self, row: int) -> Trial:
        """One row as a trial."""
        shared = self.instructions[self.instructions_id[row]]
        return Trial(
            trial_id=self.trial_id[row],
            workload_id=self.workload_id[row],
            module_id=self.module_id[row],
            target_id=self.target_id[row],
            hardware_id=self.hardware_id[row],
            source_id=self.source_id[row],
            position=self.position[row],
            trace=Trace(join_instructions(shared, self.postproc[row]), self.decisions[row]),
            args_info=self.args_info[row],
            run_secs=self.run_secs[row],
            outcome=Outcome(self.outcome[row]),
            error=self.error[row],
            measured_at=self.measured_at[row],
        )


@dataclass(slots=True)
class Batch:
    """One append: trials, and what they refer to as far as it may be new to the store."""

    trials: TrialColumns = field(default_factory=TrialColumns)
    workloads: list[Workload] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    hardware: list[Hardware] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether there is nothing to append."""
        parts: Sequence[Sequence[object]] = (self.workloads, self.targets, self.hardware, self.sources, self.rejected)
        return not len(self.trials) and not any(parts)


def append_report(batch: Batch, rows: Sequence[int]) -> AppendReport:
    """What appending a batch did, when these rows of its trials were new."""
    trials = batch.trials
    added = Counter(trials.source_id[row] for row in rows)
    failed = Counter(trials.source_id[row] for row in rows if trials.outcome[row] != Outcome.OK)
    return AppendReport(
        added=len(rows),
        duplicates=len(trials) - len(rows),
        failed_trials=failed.total(),
        rejected=tuple(batch.rejected),
        by_source={source: (count, failed[source]) for source, count in added.items()},
    )
