"""Collects trials of networks' programs on this machine's GPUs, for cost models to learn from.

It has never run on a GPU. Each call measures for at most ten minutes and ends; the next goes on where it ended, killed
or not, as what is in the store counts. Half of a workload's trials are random samples, which come first.

    python -m benchmarks.gpu_collect --store gpu.store                # until it says that nothing is left
    python -m benchmarks.gpu_collect --store gpu.store --dry-run      # what is left; needs no GPU with --target
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from benchmarks.models import MODELS, write
from search.corpus.collect import Spec, Step, collect, plan_tasks
from search.measure.device import Device
from search.networks.importing import import_network
from search.networks.lowering import Layout, layouts_of, lower
from search.task import Task
from tunedb.metaschedule.replay import workload_from_module
from tunedb.records import Hardware, Target
from tunedb.store.contract import Store

NETWORKS = ("resnet18", "mobilenetv2", "bert-tiny", "vit-tiny")
TRIALS = 100  # of a workload
_MOST_MINUTES = 10.0


def workloads(networks: Sequence[str], target: Target) -> list[Task]:
    """The programs of networks in each layout, every workload once, the first network's first.

    Args:
        networks: Of `benchmarks.models`.
        target: What they are lowered for.
    """
    found: dict[str, Task] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in networks:
            network = import_network(str(write(name, Path(folder))), None)
            for layout in layouts_of(network):
                for task in lower(network, target, Layout(layout)).tasks:
                    found.setdefault(workload_from_module(task.mod)[0].workload_id, task)
    return list(found.values())


def left(tasks: Sequence[Task], store: Store, target: Target, hardware: Hardware, trials: int) -> list[Step]:
    """What is left to be measured."""
    return plan_tasks(tasks, Spec(trials=trials), store, target, hardware)


def step(tasks: Sequence[Task], store: Store, device: Device, trials: int, minutes: float) -> int:
    """Measures for so many minutes at most.

    Args:
        tasks: What is measured.
        store: The store that is given every trial.
        device: What builds and runs.
        trials: Of each workload in the end.
        minutes: After which the trial that is measured is the last.

    Returns:
        The number of trials that are left.
    """
    stop = threading.Event()
    timer = threading.Timer(60 * min(minutes, _MOST_MINUTES), stop.set)
    timer.daemon = True
    timer.start()
    try:
        report = collect(
            left(tasks, store, device.target, device.hardware, trials), store, device.target, device=device, stop=stop
        )
    finally:
        timer.cancel()
    for name, why in report.skipped.items():
        print(f"not measured: {name}: {why}")
    print(f"{report.measured} trials measured, {report.failed} of them failed")
    skipped = set(report.skipped)
    remaining = left(tasks, store, device.target, device.hardware, trials)
    return sum(one.wanted for one in remaining if one.task.name not in skipped)


def main() -> int:
    """Measures one step; 0 when nothing is left, 75 when it is to be called again."""
    from search.measure import zygote

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("--target", default="cuda")
    parser.add_argument("--networks", nargs="+", choices=sorted(MODELS), default=list(NETWORKS))
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--minutes", type=float, default=_MOST_MINUTES - 0.5)
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    zygote.prepare()
    from search.measure.here import this_device
    from search.targets import parse_target
    from tunedb.machine.hardware import UNKNOWN
    from tunedb.store.opening import open_store

    target = parse_target(given.target)
    tasks = workloads(given.networks, target)
    with open_store(given.store) as store:
        if given.dry_run:
            steps = left(tasks, store, target, UNKNOWN, given.trials)
            print(f"{len(tasks)} workloads, {sum(one.wanted for one in steps)} trials in all")
            return 0
        with this_device(target) as device:
            number = step(tasks, store, device, given.trials, given.minutes)
    print(f"{number} trials are left" if number else "nothing is left")
    return 75 if number else 0


if __name__ == "__main__":
    sys.exit(main())
