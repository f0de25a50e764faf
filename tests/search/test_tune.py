import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from tunedb import identity
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.kernels import ARITHMETIC, MEMORY, WORKLOAD_IDS
from tunedb.records import Outcome, Target

pytestmark = pytest.mark.tvm

ROOT = Path(__file__).resolve().parents[2]


def test_every_trial_of_a_run_is_in_the_store(small_matmul: Any, target: Target, tmp_path: Path) -> None:
    import tunedb
    from search.task import Task
    from search.tune import tune
    from tunedb.query.ranking import ranked_best

    events = []
    with tunedb.open_store(tmp_path / "store") as store:
        report = tune(
            [Task("small", small_matmul)], store=store, target=target, trials=10, seed=1, on_trial=events.append
        )
        assert report.trials == 10
        assert [event.number for event in events] == list(range(1, 11))
        (task,) = report.tasks
        assert task.best is not None
        trials = list(store.trials(workload_id=task.workload_hash))
        assert {trial.trial_id for trial in trials} >= {event.trial_id for event in events}
        assert len(trials) == 10 + task.passes
        (ranked,) = ranked_best(store, task.workload_hash, target.target_id)
        assert (ranked.trial.trial_id, ranked.estimate) == (task.best.trial_id, task.latency)
        best_so_far = [event.best_secs for event in events if event.best_secs is not None]
        assert best_so_far == sorted(best_so_far, reverse=True)


@pytest.mark.parametrize("is_given", [False, True])
def test_an_empty_store_begins_with_bundled_schedules(
    small_matmul: Any, target: Target, caplog: pytest.LogCaptureFixture, is_given: bool
) -> None:
    from costmodels.models import RooflineModel
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    given = RooflineModel() if is_given else None
    with caplog.at_level("INFO", logger="search.bo.proposals"):
        tune([Task("small", small_matmul)], store=MemoryStore(), target=target, trials=1, model=given, check=False)

    (line,) = (record.getMessage() for record in caplog.records if "similar workloads" in record.getMessage())
    assert ("0 schedules of similar workloads" in line) == is_given


def test_a_run_leaves_no_model_in_memory(small_matmul: Any, target: Target) -> None:
    from costmodels.models.roofline import RooflineModel
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    given = RooflineModel()
    kept = weakref.ref(given)
    tune([Task("small", small_matmul)], store=MemoryStore(), target=target, trials=1, model=given, check=False)
    del given
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("strategy", ["evolutionary", "random"])
def test_stock_strategies_are_recorded_too(small_matmul: Any, target: Target, tmp_path: Path, strategy: str) -> None:
    import tunedb
    from search.task import Task
    from search.tune import tune

    with tunedb.open_store(tmp_path / "store") as store:
        report = tune(
            [Task("small", small_matmul)], store=store, target=target, trials=4, strategy=strategy, check=False
        )
        assert store.stats().num_trials == report.trials == 4


def test_a_set_stop_ends_the_run_with_what_was_finished_stored(
    small_matmul: Any, target: Target, tmp_path: Path
) -> None:
    import tunedb
    from search.task import Task
    from search.tune import tune

    stop = threading.Event()
    with tunedb.open_store(tmp_path / "store") as store:
        report = tune(
            [Task("small", small_matmul)],
            store=store,
            target=target,
            trials=500,
            on_trial=lambda event: stop.set() if event.number == 3 else None,
            stop=stop,
        )
        assert report.interrupted
        assert 3 <= report.trials < 500  # the third was told when it was stored, while others were measured
        assert store.stats().num_trials == report.trials


def test_a_killed_run_leaves_its_finished_trials_in_the_store(tmp_path: Path) -> None:
    """The real command, killed in mid-run: the store opens and holds what it had appended by then."""
    import tunedb

    url = tmp_path / "store"
    spec = f"{ROOT / 'examples' / 'workloads.py'}:small_matmul"
    command = [
        sys.executable,
        "-c",
        "from cli.main import main; main()",
        "tune",
        spec,
        "--trials",
        "2000",
        "--store",
        str(url),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        seen = 0
        deadline = time.monotonic() + 120
        for line in process.stderr:
            seen += "best" in line
            if seen >= 20 or time.monotonic() > deadline:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert seen >= 20, "the run never got far enough to be killed"
    with tunedb.open_store(url, create=False) as store:
        stored = [trial for trial in store.trials() if trial.workload_id not in WORKLOAD_IDS]
        assert len(stored) >= 8
        assert {trial.outcome for trial in stored} == {Outcome.OK}
        summary = store.resolve_workload(stored[0].workload_id)
        assert summary.num_trials == len(stored) == len({trial.trial_id for trial in stored})


def test_what_the_store_has_is_not_measured_again(small_matmul: Any, target: Target, tmp_path: Path) -> None:
    """The second run of the same seed goes on where the first ended."""
    import tunedb
    from search.task import Task
    from search.tune import tune
    from tunedb.identity import trace_id

    with tunedb.open_store(tmp_path / "store") as store:
        for _ in range(2):
            tune([Task("small", small_matmul)], store=store, target=target, trials=6, seed=2)
        (workload,) = store.workloads()
        assert len({trace_id(trial.trace) for trial in store.trials(workload.workload_id)}) == 12


def test_a_workload_of_one_program_is_measured_again_when_the_store_has_it(target: Target) -> None:
    """Nothing is left to choose from, or to breed; yet a run that measures nothing would be no success."""
    from tvm.ir import IRModule

    from search.corpus import operators
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    task = Task("tiny", IRModule({"main": operators.prim_func("gelu_chain", [4, 8])}))
    reports = [tune([task], store=store, target=target, trials=8, check=False) for _ in range(2)]
    assert [report.trials for report in reports] == [1, 1]
    assert all(report.tasks[0].best is not None for report in reports)
    stored = list(store.trials(reports[0].tasks[0].workload_hash))
    assert len(stored) == 2
    assert len({identity.trace_id(trial.trace) for trial in stored}) == 1


PROGRAMS = """
import tvm
from tvm import te, topi

def made(*tensors):
    return te.create_prim_func(list(tensors))

def running_sum():
    x = te.placeholder((48,), name="x")
    return made(x, topi.cumsum(x))

def scatter():
    data = te.placeholder((3, 8), name="data")
    places = te.placeholder((1, 16), "int32", name="places")
    new = te.placeholder((16, 8), name="new")
    return made(data, places, new, topi.scatter_nd(data, places, new, "update"))

def without_elements():
    x = te.placeholder((0, 4), name="x")
    return made(x, te.compute((0, 4), lambda i, j: x[i, j] * 2.0, name="y"))

def scalar():
    x = te.placeholder((), name="x")
    return made(x, te.compute((), lambda: x() * 2.0, name="y"))

def reduction():
    x, k = te.placeholder((64,), name="x"), te.reduce_axis((0, 64), name="k")
    return made(x, te.compute((), lambda: te.sum(x[k], axis=k), name="y"))

def any_length():
    n = te.var("n")
    x = te.placeholder((n, 32), name="x")
    return made(x, te.compute((n, 32), lambda i, j: x[i, j] * 3.0, name="y"))

def both():
    functions = {"any_length": any_length(), "scalar": scalar()}
    return tvm.IRModule({name: each.with_attr("global_symbol", name) for name, each in functions.items()})
"""


def _tasks(name: str, folder: Path, target: Target) -> list[Any]:
    from search.networks.tasks import load_tasks

    (folder / "programs.py").write_text(PROGRAMS)
    return load_tasks(f"{folder / 'programs.py'}:{name}", None, target)


@pytest.mark.parametrize("strategy", ["bo", "evolutionary", "random"])
@pytest.mark.parametrize("name", ["running_sum", "scatter", "without_elements", "scalar", "reduction"])
def test_what_can_be_sampled_is_measured_whatever_it_looks_like(
    target: Target, tmp_path: Path, name: str, strategy: str
) -> None:
    """No inner blocks, indices that must stay within an array, no elements, no features: all strategies do alike."""
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    tasks = _tasks(name, tmp_path, target)
    report = tune(tasks, store=MemoryStore(), target=target, trials=2, strategy=strategy, check=False)
    assert 1 <= report.trials <= 2
    assert report.failed == 0
    assert report.tasks[0].best is not None
    assert report.left_out == ()


@pytest.mark.parametrize("trials", [0, 2])
def test_what_has_no_fixed_shape_is_refused_with_the_reason(target: Target, tmp_path: Path, trials: int) -> None:
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    with pytest.raises(
        MeasurementError, match=r"any_length: its argument x has the shape \(n, 32\), and n is no number"
    ):
        tune(_tasks("any_length", tmp_path, target), store=store, target=target, trials=trials)
    assert not list(store.trials())


def test_tasks_that_are_left_out_are_named(target: Target, tmp_path: Path) -> None:
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    report = tune(_tasks("both", tmp_path, target), store=MemoryStore(), target=target, trials=1, check=False)
    assert [one.name for one in report.left_out] == ["any_length"]
    assert "n is no number" in report.left_out[0].reason
    assert [task.name for task in report.tasks] == ["scalar"]


def test_a_program_without_features_is_predicted_all_the_same(target: Target, tmp_path: Path) -> None:
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    report = tune(_tasks("running_sum", tmp_path, target), store=MemoryStore(), target=target, trials=0)
    assert report.tasks[0].predicted is not None


def test_no_trials_predict_and_measure_nothing(small_matmul: Any, target: Target) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    report = tune([Task("small", small_matmul)], store=store, target=target, trials=0)
    assert report.trials == 0
    assert report.tasks[0].predicted is not None
    assert report.tasks[0].best is None
    assert not list(store.trials())


def test_the_best_is_checked_against_the_untuned_program(small_matmul: Any, target: Target) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    options: dict[str, Any] = {"target": target, "trials": 2, "use_prior": False}
    store = MemoryStore()
    (task,) = tune([Task("small", small_matmul)], store=store, **options).tasks
    assert task.numbers is not None
    assert task.numbers.agrees
    (verdict,) = store.verdicts(task.workload_hash, target.target_id)
    assert task.best is not None
    assert verdict.trace_id == identity.trace_id(task.best.trace)
    assert verdict.source in {row.uri for row in store.sources()}
    assert verdict.agrees and verdict.tells and verdict.is_timed
    store = MemoryStore()
    (unasked,) = tune([Task("small", small_matmul)], store=store, check=False, **options).tasks
    assert unasked.numbers is None
    assert store.verdicts() == []


def test_a_gpu_that_is_not_here_is_said_before_anything_runs(
    small_matmul: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.measure import cuda_driver
    from search.targets import parse_target
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libcuda-of-no-machine.so.1")
    with pytest.raises(MeasurementError, match=r"no CUDA device: .* is not here; install .* fleet"):
        tune([Task("small", small_matmul)], store=MemoryStore(), target=parse_target("nvidia/nvidia-h100"), trials=8)


def test_a_machine_that_cannot_run_the_target_says_so(small_matmul: Any, tmp_path: Path) -> None:
    import tunedb
    from search.targets import parse_target
    from search.task import Task
    from search.tune import tune

    foreign = parse_target('{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "apple-m1", "num-cores": 1}')
    with tunedb.open_store(tmp_path / "store") as store:
        with pytest.raises(MeasurementError, match=r"this machine cannot run code for .*apple-m1"):
            tune([Task("small", small_matmul)], store=store, target=foreign, trials=2)
        assert not list(store.trials())  # the machine's fault is none of the candidates'


@pytest.mark.parametrize(
    "bad", [{"strategy": "hope"}, {"trials": -1}, {"trials": 0, "strategy": "random"}, {"tasks": []}]
)
def test_senseless_requests_are_refused(small_matmul: Any, target: Target, bad: dict[str, Any]) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    arguments: dict[str, Any] = {"tasks": [Task("small", small_matmul)], "trials": 1, **bad}
    with pytest.raises(UsageError):
        tune(arguments.pop("tasks"), store=MemoryStore(), target=target, **arguments)


def test_a_finished_trial_is_in_the_store_while_the_next_one_still_runs(
    small_matmul: Any, target: Target, tmp_path: Path
) -> None:
    """A second reader sees it; the candidate after it takes as long as it likes."""
    import tunedb
    from search.measure.local import LocalCpu
    from search.task import Task
    from search.tune import tune

    second_runs, seen = threading.Event(), threading.Event()

    class Slow(LocalCpu):
        """Runs nothing after the first candidate before that was seen in the store."""

        def run(self, numbers: Any, **options: Any) -> Any:
            for place, number in enumerate(numbers):
                if place == 1:
                    second_runs.set()
                    assert seen.wait(60), "the first trial never came"
                yield from super().run([number], **options)

    def look() -> None:
        assert second_runs.wait(60)
        with tunedb.open_store(tmp_path / "store", create=False) as reader:
            end = time.monotonic() + 20  # the bound is one second, and the machine may be busy
            while time.monotonic() < end and not any(t.workload_id not in WORKLOAD_IDS for t in reader.trials()):
                time.sleep(0.05)
            if any(trial.workload_id not in WORKLOAD_IDS for trial in reader.trials()):
                seen.set()

    looking = threading.Thread(target=look)
    with tunedb.open_store(tmp_path / "store") as store, Slow(target) as device:
        looking.start()
        options: dict[str, Any] = {"trials": 4, "use_prior": False, "check": False, "device": device}
        report = tune([Task("small", small_matmul)], store=store, target=target, **options)
        looking.join()
        assert seen.is_set()
        assert report.trials == 4
        # The kernels that say how a batch was measured are stored with its trials.
        assert {trial.workload_id for trial in store.trials()} >= {ARITHMETIC.workload_id, MEMORY.workload_id}


def test_a_device_for_another_target_is_refused(small_matmul: Any, target: Target) -> None:
    from search.measure.local import LocalCpu
    from search.targets import local_target
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    with LocalCpu(local_target(num_cores=2)) as device, pytest.raises(UsageError, match="the device runs"):
        tune([Task("small", small_matmul)], store=MemoryStore(), target=target, trials=1, device=device)


def test_options_are_a_value() -> None:
    from search import TuneOptions

    assert TuneOptions(8) == TuneOptions(trials=8, strategy="bo", seed=0)
    assert TuneOptions(8).strategy_name == "bo"
    with pytest.raises(UsageError, match="unknown strategy"):
        TuneOptions(8, "hope")
    with pytest.raises(UsageError, match="at least one candidate"):
        TuneOptions(8, batch_size=0)


def test_trials_with_cold_caches_say_so_and_are_not_mixed_with_others(small_matmul: Any, target: Target) -> None:
    from search.caches import Caches
    from search.task import Task
    from search.tune import tune
    from tunedb.identity import conditions_of
    from tunedb.records import DEFAULT_CONDITIONS
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    task = Task("small", small_matmul)
    options: dict[str, Any] = {"store": store, "target": target, "trials": 2, "use_prior": False}
    for caches in Caches:
        found = tune([task], caches=caches, **options).tasks[0]
        conditions = DEFAULT_CONDITIONS if caches is Caches.HOT else conditions_of(caches=caches.value)
        assert found.best is not None and found.best.conditions == conditions
        (best,) = store.best(found.workload_hash, target.target_id, conditions=conditions)
        assert best.conditions == conditions
    kernels = {trial.conditions for trial in store.trials() if trial.workload_id in WORKLOAD_IDS}
    assert kernels == {DEFAULT_CONDITIONS}  # whose speed is the machine's own


@pytest.mark.parametrize("option", ["run_timeout_secs", "build_timeout_secs"])
@pytest.mark.parametrize("secs", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_times_that_make_no_sense_are_refused(option: str, secs: float) -> None:
    from search.options import TuneOptions

    with pytest.raises(UsageError, match=f"{option.removesuffix('_secs').replace('_', '-')} is in seconds"):
        TuneOptions(1, **{option: secs})


@pytest.mark.parametrize(
    ("option", "outcome"), [("run_timeout", Outcome.RUN_TIMEOUT), ("build_timeout", Outcome.COMPILE_TIMEOUT)]
)
def test_what_is_cut_off_names_the_option_that_gives_it_time(
    small_matmul: Any, target: Target, option: str, outcome: Outcome
) -> None:
    from search.task import Task
    from search.tune import tune
    from tunedb.store.memory import MemoryStore

    store = MemoryStore()
    with pytest.raises(MeasurementError, match=r"took longer than 0\.001 s"):
        tune(
            [Task("small", small_matmul)],
            store=store,
            target=target,
            trials=1,
            strategy="random",
            check=False,
            **{f"{option}_secs": 1e-3},
        )
    (trial,) = (row for row in store.trials() if row.workload_id not in WORKLOAD_IDS)
    assert (trial.outcome, f"--{option.replace('_', '-')}" in trial.error) == (outcome, True)
