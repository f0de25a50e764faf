"""From what a person types to the one workload or target that is meant. Pure functions, for every store alike."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

from tunedb.errors import AmbiguousPrefixError, BadInputError, NotFoundError
from tunedb.identity import canonical_target
from tunedb.program.targets import differences, essence, near
from tunedb.records import Target

_SHOWN = 8


def pick_workload(known: Iterable[tuple[str, str, str]], prefix: str) -> str:
    """The id of the workload that `prefix` means.

    Args:
        known: (workload_id, structural_hash, name) of every module.
        prefix: the beginning of an id or of a structural hash; a whole one wins over longer ones that it begins.

    Raises:
        NotFoundError: none is meant.
        AmbiguousPrefixError: more than one is.
    """
    wanted = prefix.strip().lower()
    begun: dict[str, str] = {}
    whole: dict[str, str] = {}
    for workload_id, structural_hash, name in known:
        if wanted in (workload_id, structural_hash):
            whole[workload_id] = name
        if wanted and (workload_id.startswith(wanted) or structural_hash.startswith(wanted)):
            begun[workload_id] = name
    found = whole if wanted and whole else begun
    if not found:
        raise NotFoundError(f"no workload whose hash begins with {prefix!r}", kind="workload", asked=prefix)
    if len(found) > 1:
        choices = [f"{workload_id} {name}" for workload_id, name in sorted(found.items())]
        text = f"{prefix!r} fits {len(found)} workloads: {_listed(choices)}"
        raise AmbiguousPrefixError(text, kind="workload", asked=prefix, matches=sorted(found))
    return next(iter(found))


def pick_target(targets: Sequence[Target], text: str) -> Target:
    """The target that `text` means: itself in any form that targets are written in, or its arch, kind or id's prefix.

    Raises:
        NotFoundError: none is meant.
        AmbiguousPrefixError: more than one is.
    """
    wanted = text.strip()
    for found in _readings(targets, wanted):
        if len(found) == 1:
            return found[0]
        if found:
            choices = [f"{target.target_id[:12]} {target.text}" for target in found]
            raise AmbiguousPrefixError(
                f"{text!r} fits {len(found)} targets: {_listed(choices)}",
                kind="target",
                asked=text,
                matches=[target.target_id for target in found],
            )
    if _is_whole(wanted):
        asked = canonical_target(wanted)
        alike = [
            " ".join(
                [row.target_id[:12], *(f"{name}={theirs}" for name, (_, theirs) in differences(asked, row).items())]
            )
            for row in near(targets, asked)
        ]
        if alike:
            raise NotFoundError(
                f"no target {text!r} in the store; near-equal, with other flags: {_listed(alike)}",
                kind="target",
                asked=text,
            )
    have = _listed([f"{target.target_id[:12]} {target.arch or target.kind}" for target in targets])
    raise NotFoundError(f"no target {text!r} in the store; it has {have or 'none'}", kind="target", asked=text)


def checked_prefix(prefix: str) -> str:
    """What a record's id is to begin with.

    Raises:
        NotFoundError: no id begins with it.
    """
    wanted = prefix.strip().lower()
    if not wanted or not set(wanted) <= set(string.hexdigits):
        raise NotFoundError(f"no record whose hash begins with {prefix!r}", kind="record", asked=prefix)
    return wanted


def pick_trial(found: Sequence[Sequence[str]], prefix: str) -> Sequence[str]:
    """The row of the trial that `prefix` means.

    Args:
        found: rows whose first value is an id that begins with `prefix`, by id.
        prefix: the beginning of an id; a whole one wins over longer ones that it begins.

    Raises:
        NotFoundError: none is meant.
        AmbiguousPrefixError: more than one is; the message lists some.
    """
    if not found:
        raise NotFoundError(f"no record whose hash begins with {prefix!r}", kind="record", asked=prefix)
    if len(found) > 1 and found[0][0] != checked_prefix(prefix):
        listed = ", ".join(row[0] for row in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise AmbiguousPrefixError(
            f"{prefix!r} fits several records: {listed}", kind="record", asked=prefix, matches=[row[0] for row in found]
        )
    return found[0]


def _readings(targets: Sequence[Target], wanted: str) -> Iterable[list[Target]]:
    if _is_whole(wanted):
        try:
            asked = canonical_target(wanted)
        except BadInputError as error:
            raise NotFoundError(str(error), kind="target", asked=wanted) from error
        yield [target for target in targets if target.target_id == asked.target_id]
        yield [target for target in targets if essence(target) == essence(asked)]
        return
    yield [target for target in targets if target.arch == wanted]
    yield [target for target in targets if target.kind == wanted]
    yield [target for target in targets if len(wanted) >= 4 and target.target_id.startswith(wanted.lower())]


def _is_whole(wanted: str) -> bool:
    """Whether a target is written out: as JSON, as a tag, or with options."""
    return wanted[:1] in ("{", '"') or any(mark in wanted for mark in " /")


def _listed(choices: Sequence[str]) -> str:
    more = f" and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else ""
    return ", ".join(choices[:_SHOWN]) + more


def no_module(module_id: str) -> str:
    """Why there is no module to be had."""
    return f"no module {module_id!r}" if module_id else "the module of the workload is lost: its log did not have it"


def no_workload(workload_id: str) -> str:
    """Why there is no workload to be had."""
    return f"the store has no workload {workload_id!r}"
