"""The arms of a bench as a page shows them."""

from __future__ import annotations

from search.bench.results import Arm, Network, Results
from search.pages.runs import machine_text
from search.pages.subject import Curve, Guesses, Roof, Subject, TaskFigure
from tunedb.identity import canonical_target
from tunedb.program.targets import target_label
from tunedb.query.best_so_far import Point
from tunedb.units import duration, elapsed

_IN_A_STORE = "only of runs in a store; the arms' stores lie beside bench.json"


def subjects_of(results: Results) -> list[Subject]:
    """All that a page shows of each arm, in the order of the document."""
    networks = {network.name: network for network in results.networks}
    return [_subject(results, arm, networks.get(arm.network)) for arm in results.arms]


def _subject(results: Results, arm: Arm, network: Network | None) -> Subject:
    label = f"{arm.network}: {arm.name}"
    points = tuple(Point(one.trials, one.secs, one.network_secs) for one in arm.best_so_far)
    target = canonical_target(results.asked.target)
    return Subject(
        label,
        (target.target_id, results.machine.hardware_id, ""),
        _facts(results, arm, target_label(target)),
        (Curve(arm.name, f"{arm.network}, by its tasks", arm.network, points, arm.trials, arm.tune_secs),)
        if points
        else (),
        _tasks(arm, network),
        Guesses(problem=_IN_A_STORE),
        Roof(problem=_IN_A_STORE),
        arm.latency_secs,
        arm.ratio,
        arm.error,
    )


def _facts(results: Results, arm: Arm, target: str) -> tuple[tuple[str, str], ...]:
    schedules = ", ".join(f"{number} {origin}" for origin, number in sorted(arm.programs.items()))
    return (
        ("network", arm.network),
        ("target", target),
        ("machine", machine_text(results.machine)),
        ("strategy", arm.name),
        ("prior", arm.prior or "unknown"),
        ("trials", str(arm.trials)),
        ("failed", str(arm.failed) if arm.failed else "none"),
        ("tuned in", f"{elapsed(arm.tune_secs)}, {arm.sittings} sitting{'' if arm.sittings == 1 else 's'}"),
        ("schedules", schedules or "none"),
        ("never measured", "predicted" if arm.predicts else "TVM's own"),
        ("latency", duration(arm.latency_secs)),
        ("ratio", "-" if arm.ratio is None else f"{arm.ratio:.3f} of {arm.against}"),
        *((("error", arm.error),) if arm.error else ()),
    )


def _tasks(arm: Arm, network: Network | None) -> tuple[TaskFigure, ...]:
    """Each task with the best that the arm found, or with TVM's own where that is faster or nothing was measured."""
    measured = {task.workload_hash: task for task in arm.tasks}
    found = []
    for task in network.tasks if network is not None else ():
        mine = measured.get(task.workload_hash)
        best_secs = None if mine is None else mine.best_secs
        figures = [secs for secs in (task.untuned_secs, best_secs) if secs is not None]
        trials, failed = (mine.trials, mine.failed) if mine else (0, 0)
        best = min(figures, default=None)
        found.append(TaskFigure(task.workload_hash, task.name, task.weight, trials, failed, best))
    return tuple(found)
