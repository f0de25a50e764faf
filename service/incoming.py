"""What is pushed, looked at before it is stored: forms, limits, and that each id is the hash of its content.

Traces are data here. They are read as JSON, and never replayed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from tunedb.errors import BadInputError
from tunedb.identity import (
    canonical_conditions,
    canonical_target,
    content_hash,
    identified,
    instructions_id,
    source_id,
    trace_id_of_parts,
    trial_id_of_parts,
    with_verdict_id,
)
from tunedb.records import DEFAULT_CONDITIONS, Outcome
from tunedb.run_times import outcome_of
from tunedb.store.batch import Batch
from tunedb.store.http.wire import Push
from tunedb.store.schema import TrialRow

_ID = re.compile(r"[0-9a-f]{32}")
_WORKLOAD = re.compile(r"(unknown-)?[0-9a-f]{32}")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = re.compile(rb"[^\[\]{}]+")
_LONGEST_TEXT = 10_000
_OUTCOMES = {outcome.value for outcome in Outcome}


class TooMuchError(BadInputError):
    """A push has more rows than are taken at once."""


def checked(push: Push, sender: str, *, most_rows: int, depth: int) -> Batch:
    """A push as a batch that can be stored.

    Args:
        push: what came.
        sender: whose token it came with. What it says of other senders is left out: who sends answers for all of it.
        most_rows: how many rows of any kind it may have.
        depth: how deep its JSON may be nested.

    Raises:
        TooMuchError: it has too many rows.
        BadInputError: something of it is not what it says it is; the message names it.
    """
    for name in push.__struct_fields__:
        if len(getattr(push, name)) > most_rows:
            raise TooMuchError(f"a push may have {most_rows:,} {name}, not {len(getattr(push, name)):,}")
    _check_around(push)
    for identity, shared in push.instructions.items():
        if instructions_id(shared) != identity:
            raise BadInputError(f"the instructions {identity[:40]!r} have another id")
        _check_json(shared, depth, "instructions")
    for place, row in enumerate(push.trials):
        try:
            _check_trial(row, push.instructions, depth)
        except BadInputError as error:
            raise BadInputError(f"trial {place} ({row.trial_id[:40]}): {error}") from error
    push.deliveries = []
    batch = push.batch()
    batch.sender = sender
    return batch


def _check_around(push: Push) -> None:
    told: Iterable[tuple[str, str, bool]] = (
        *(
            (
                "workload",
                row.workload_id,
                not row.signature or content_hash("workload", row.signature) == row.workload_id,
            )
            for row in push.workloads
        ),
        *(("module", row.module_id, content_hash("module", row.module_json) == row.module_id) for row in push.modules),
        *(("target", row.target_id, content_hash("target", row.text) == row.target_id) for row in push.targets),
        *(("machine", row.hardware_id, identified(row).hardware_id == row.hardware_id) for row in push.hardware),
        *(
            ("source", row.source_id, source_id(row.uri, row.format, row.detail) == row.source_id)
            for row in push.sources
        ),
        *(("verdict", row.verdict_id, with_verdict_id(row).verdict_id == row.verdict_id) for row in push.verdicts),
    )
    for what, identity, is_right in told:
        form = _WORKLOAD if what == "workload" else _ID
        if not is_right or not form.fullmatch(identity):
            raise BadInputError(f"the {what} {identity[:40]!r} has another id: it is not what its content says")
    for target in push.targets:
        if canonical_target(target.text) != target:
            raise BadInputError(f"the target {target.target_id} is not written as targets are kept")
    for workload in push.workloads:
        if workload.workload_id.startswith("unknown-") is bool(workload.signature):
            raise BadInputError(f"the workload {workload.workload_id!r} has a signature, or none, against its id")
    for source in push.sources:
        _check_json(source.detail.encode(), 64, "source's detail")
    for sighting in push.sightings:
        _check_ids(sighting.trial_id, sighting.source_id)


def _check_trial(row: TrialRow, instructions: dict[str, bytes], depth: int) -> None:
    _check_ids(row.trial_id, row.target_id, row.hardware_id, row.source_id, row.trace_id, row.instructions_id)
    _check_ids(*(identity for identity in (row.module_id, row.first_hardware_id) if identity))
    if not _WORKLOAD.fullmatch(row.workload_id):
        raise BadInputError(f"{row.workload_id[:40]!r} is no id of a workload")
    if row.instructions_id not in instructions:
        raise BadInputError("its instructions did not come with it")
    if not 0 <= row.position < 1 << 53:
        raise BadInputError(f"its position is {row.position}")
    if len(row.error) > _LONGEST_TEXT:
        raise BadInputError(f"its error has {len(row.error):,} characters; {_LONGEST_TEXT:,} are kept")
    if row.outcome not in _OUTCOMES:
        raise BadInputError(f"there is no outcome {row.outcome[:40]!r}")
    if (row.outcome == Outcome.OK) is not bool(row.run_secs):
        raise BadInputError("it has run times and failed, or has none and did not")
    if row.run_secs and outcome_of(row.run_secs)[0] is not Outcome.OK:
        raise BadInputError(f"no machine has such run times: {row.run_secs[:4]}")
    if row.conditions != DEFAULT_CONDITIONS and canonical_conditions(row.conditions) != row.conditions:
        raise BadInputError("its conditions are not written as conditions are kept")
    _check_json(row.postproc, depth, "postprocessors")
    _check_json(row.decisions, depth, "decisions")
    _check_json(row.args_info, depth, "arguments")
    if trace_id_of_parts(row.instructions_id, row.postproc, row.decisions) != row.trace_id:
        raise BadInputError("its trace has another id")
    machine = row.first_hardware_id or row.hardware_id
    identity = trial_id_of_parts(
        row.workload_id,
        row.module_id,
        row.target_id,
        machine,
        row.trace_id,
        row.run_secs,
        row.outcome,
        row.conditions,
    )
    if identity != row.trial_id:
        raise BadInputError("its id is not that of its content")


def _check_ids(*identities: str) -> None:
    for identity in identities:
        if not _ID.fullmatch(identity):
            raise BadInputError(f"{identity[:40]!r} is no id")


@lru_cache(maxsize=4096)  # the trials of one design space have most of it in common
def _check_json(content: bytes, depth: int, what: str) -> None:
    here = 0
    for brackets in _NOT_BRACKETS.split(_STRINGS.sub(b"", content)):
        for bracket in brackets:
            here += 1 if bracket in b"[{" else -1
            if here > depth:
                raise BadInputError(f"its {what} are nested more than {depth} deep")
    try:
        msgspec.json.decode(content)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"its {what} are no JSON: {error}") from error
