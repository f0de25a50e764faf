"""The whole loop once: remember, learn, search, measure, remember. `make demo` runs it.

Ingests the logs in data/, trains a cost model, tunes a workload that is not among them with Bayesian optimization
from that model, and then with stock MetaSchedule (evolutionary search and its XGBoost model) for as many trials. Both
winners are measured again side by side: what a search reports of its own best is always a little too good. At the end a
small network becomes a library, with what is known and nothing measured.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO_STORE = ROOT / ".demo-store"


def main() -> int:
    """Runs the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", help="store to use (default: .demo-store, made anew each time)")
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.store is None:
        shutil.rmtree(DEMO_STORE, ignore_errors=True)
    run(options.store or str(DEMO_STORE), options.trials, options.seed)
    return 0


def run(url: str, trials: int, seed: int) -> None:
    """Runs the loop on the store at `url`."""
    import tunedb
    from costmodels import Compute, TrainOptions, train
    from search.measure.side_by_side import measure_side_by_side
    from search.networks.tasks import load_tasks
    from search.targets import local_target
    from search.tune import TuneReport, tune
    from tunedb.ingest.pipeline import ingest
    from tunedb.machine.hardware import hardware_named
    from tunedb.metaschedule.replay import script

    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)

    with tunedb.open_store(url) as store:
        report = ingest(store, [ROOT / "data" / "metaschedule"], hardware=hardware_named("AMD EPYC, Zen 5"))
        say(
            f"remembered: {report.added} trials ingested from data/metaschedule "
            f"({report.num_rejected} pieces of input rejected)"
        )

        say("learning: replays each trial for its features, then fits; about a minute")
        trained = train(store, options=TrainOptions(seed=seed, max_trials_per_workload=128), compute=Compute(workers=2))
        for entry in trained.trained:
            learned, found = entry.manifest.trained_on, entry.manifest.metrics
            say(
                f"learned: {entry.target.arch}, {learned.num_trials} trials of {learned.num_workloads} workloads; "
                f"held-out top-1 {found['top1']:.2f}, top-5 {found['top5']:.2f}"
            )

        target = local_target(num_cores=1)  # as the logs in data/ were measured; and one core is steadier than all
        (task,) = load_tasks(f"{ROOT / 'examples' / 'workloads.py'}:dilated_conv2d", store, target)
        say(f"target: {target.text}")

        def tuned(strategy: str) -> TuneReport:
            def show(event) -> None:
                secs = f"{event.secs * 1e6:10.1f} us" if event.secs else f"{event.outcome:>13}"
                best = f"{event.best_secs * 1e6:10.1f} us" if event.best_secs else "-"
                say(f"  {strategy:12} {event.number:3}/{event.total}  {secs}   best {best}")

            return tune([task], store=store, target=target, trials=trials, strategy=strategy, seed=seed, on_trial=show)

        say(f"tuning {task.name} with Bayesian optimization, {trials} trials")
        ours = tuned("bo")
        say(f"  started from: {ours.prior}")
        say(f"tuning {task.name} with stock evolutionary search and XGBoost, {trials} trials")
        stock = tuned("evolutionary")

        winners = [ours.tasks[0].best, stock.tasks[0].best]
        if winners[0] is None or winners[1] is None:
            sys.exit("one of the searches found nothing that runs")
        workload = store.module(winners[0].module_id)
        again = measure_side_by_side(workload, [winner.trace for winner in winners], target)

        print(f"\nBest schedule found (trial {winners[0].trial_id}):\n")
        print(script(workload, winners[0]))
        print(f"\n{'strategy':34}{'trials':>8}{'reported':>14}{'measured again':>18}{'own + measuring':>18}")
        for name, result, winner, figures in zip(
            ("tunedb: BO, warm-started", "stock: evolutionary + XGB"), (ours, stock), winners, again, strict=True
        ):
            print(
                f"{name:34}{result.trials:8}{winner.run_secs_median * 1e6:11.1f} us{figures.median_secs * 1e6:15.1f} us"
                f"{result.elapsed_secs:16.1f} s"
            )
        compile_small(store, target, say)
        ratio = again[1].median_secs / again[0].median_secs
        print(f"\ntunedb's code runs {ratio:.2f} times as fast as stock's after {trials} trials each.")
        print(f"The store now holds {store.stats().num_trials} trials. Look around:")
        print(f"  tunedb best {workload.workload_id[:12]} --store {url}")


def compile_small(store, target, say) -> None:
    """Compiles a small network, as `tunedb compile` does, and runs it beside the network without schedules."""
    sys.path.append(str(ROOT))
    from benchmarks.models import write
    from search.measure.here import this_cpu
    from search.networks.arrays import random_arrays
    from search.networks.compiling import CompileOptions, compile_network
    from search.networks.importing import import_file
    from search.networks.runtime import Library

    with tempfile.TemporaryDirectory() as folder, this_cpu(target) as device:
        path = write("small", Path(folder))
        network = import_file(path)
        say(f"compiling {path.name}: nothing of it was ever measured")
        secs = {}
        for name, predicts in (("predicted schedules", True), ("TVM's own", False)):
            library = path.with_name("predicted.so" if predicts else "untuned.so")
            done = compile_network(
                network, library, store=store, target=target, device=device, options=CompileOptions(predicts=predicts)
            )
            loaded = Library(library)
            secs[name] = min(loaded.time(random_arrays(loaded.manifest.inputs), 20))
            found = done.manifest.verification
            say(f"  {name:20} {secs[name] * 1e6:10.1f} us, deviation from {found.reference}: {found.deviation:.0e}")
        ratio = secs["TVM's own"] / secs["predicted schedules"]
        say(f"  the library runs {ratio:.1f} times as fast as without them")


if __name__ == "__main__":
    sys.exit(main())
