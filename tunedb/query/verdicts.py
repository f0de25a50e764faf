"""Which of a schedule's verdicts holds: does it compute what the untuned program does, as far as that was found out?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tunedb.records import Verdict
from tunedb.store.contract import StoreReader


def standing(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict of a schedule that holds: the newest, but one that is wrong until its TVM release finds otherwise.

    Args:
        verdicts: of one schedule, the oldest first.

    Returns:
        That verdict; None where nothing was found out.
    """
    newest = {verdict.tvm_version: verdict for verdict in verdicts if verdict.tells}
    last = sorted(newest.values(), key=lambda verdict: (not verdict.agrees, verdict.found_at))
    return last[-1] if last else None


def standing_verdicts(store: StoreReader, workload_id: str, target_id: str) -> Mapping[str, Verdict]:
    """The verdicts that hold of a workload's schedules for a target, by `trace_id`; of some nothing is known.

    Args:
        store: the store that is asked.
        workload_id: the workload.
        target_id: the target.
    """
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in store.verdicts(workload_id, target_id):
        found[verdict.trace_id].append(verdict)
    held = {trace_id: standing(verdicts) for trace_id, verdicts in found.items()}
    return {trace_id: verdict for trace_id, verdict in held.items() if verdict is not None}
