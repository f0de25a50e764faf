"""Where a network's trials go: real programs on this machine, tuners of the test's own."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from search.contract import Proposal, Result, Tuner, TunerTask
from search.measure.device import Device
from search.options import TuneOptions
from search.recorder import TrialEvent
from search.standing import Standing
from search.task import Task
from search.tune import run_tuning
from tunedb import open_store
from tunedb.errors import UsageError
from tunedb.records import Target
from tunedb.store.contract import Store

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def device(target: Target) -> Iterator[Device]:
    from search.measure.local import LocalCpu

    with LocalCpu(target) as made:
        yield made


@pytest.fixture
def store(tmp_path: Any) -> Iterator[Store]:
    with open_store(str(tmp_path / "store")) as made:
        yield made


def product(size: int) -> Any:
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir.meta_schedule.testing import te_workload

    function = te.create_prim_func(te_workload.matmul(size, size, size)).with_attr("global_symbol", "main")
    return IRModule({"main": function})


class Sampler(Tuner):
    """Proposes random candidates, so many at most, and says what it expects to gain."""

    def __init__(self, task: TunerTask, most: int, gain: float | None) -> None:
        self.spaces = task.make_spaces(np.random.default_rng(task.seed))
        self.most, self.gain, self.asked = most, gain, 0

    def ask(self, number: int, pending: Collection[int] = ()) -> list[Proposal]:
        found = self.spaces.sample(min(number, self.most - self.asked))
        made = [Proposal(self.asked + place, candidate) for place, candidate in enumerate(found)]
        self.asked += len(made)
        return made

    def tell(self, results: Sequence[Result]) -> None:
        del results

    def expected_gain(self, best_secs: float) -> float | None:
        assert best_secs > 0
        return self.gain

    def close(self) -> None:
        self.spaces.close()


class Samplers:
    """Makes one for each task."""

    name = "sampler"

    def __init__(self, most: int = 99, gain: Callable[[TunerTask], float | None] = lambda _: 0.1) -> None:
        self.most, self.gain = most, gain

    def __call__(self, task: TunerTask, /) -> Tuner:
        return Sampler(task, self.most, self.gain(task))


def trials(device: Device, store: Store, target: Target, tasks: Sequence[Task], total: int, **options: Any) -> Any:
    factory = options.pop("factory", Samplers())
    given = TuneOptions(total, factory, check=False, **options)
    report = run_tuning(tasks, given, store=store, target=target, device=device)
    return {task.name: task.trials for task in report.tasks}


def test_a_small_budget_goes_to_the_heavy_task(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("light", product(8)), Task("heavy", product(128)), Task("often", product(16), weight=2.0)]
    assert trials(device, store, target, tasks, 2) == {"heavy": 2, "light": 0, "often": 0}


def test_weight_counts(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("once", product(32)), Task("often", product(32), weight=50.0)]
    assert trials(device, store, target, tasks, 2) == {"often": 2, "once": 0}


def test_trials_go_where_something_is_to_be_gained(device: Device, store: Store, target: Target) -> None:
    def gain(task: TunerTask) -> float:
        return 0.0 if "64x64x64" in task.workload.name else 0.2

    tasks = [Task("at its best", product(64)), Task("open", product(48))]
    found = trials(device, store, target, tasks, 14, factory=Samplers(gain=gain))
    assert found == {"at its best": 2, "open": 12}


def test_every_trial_is_used_and_none_more(device: Device, store: Store, target: Target) -> None:
    tasks = [Task(f"product {size}", product(size)) for size in (16, 24, 32)]
    found = trials(device, store, target, tasks, 11)
    assert sum(found.values()) == 11 == store.stats().num_trials


def test_a_task_that_has_nothing_more_to_try_is_left_alone(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("one", product(16)), Task("other", product(24))]
    assert trials(device, store, target, tasks, 20, factory=Samplers(most=3)) == {"one": 3, "other": 3}


def test_a_run_ends_once_little_is_left_to_gain(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("one", product(16)), Task("other", product(24))]
    factory = Samplers(gain=lambda _: 0.001)
    assert trials(device, store, target, tasks, 40, factory=factory, least_gain=0.01) == {"one": 2, "other": 2}


def test_a_task_without_a_schedule_does_not_end_the_run(device: Device, store: Store, target: Target) -> None:
    class Picky(Samplers):
        def __call__(self, task: TunerTask, /) -> Tuner:
            if "24x24x24" in task.workload.name:
                raise RuntimeError("no design space")
            return super().__call__(task)

    tasks = [Task("one", product(16)), Task("odd", product(24))]
    given = TuneOptions(6, Picky(), check=False)
    report = run_tuning(tasks, given, store=store, target=target, device=device)
    assert {task.name: task.trials for task in report.tasks} == {"one": 6, "odd": 0}
    (left_out,) = report.left_out
    assert (left_out.name, left_out.reason) == ("odd", "it has no schedule to try: no design space")


def test_a_gain_of_more_than_all_is_refused() -> None:
    with pytest.raises(UsageError, match="share of the time of all tasks"):
        TuneOptions(8, least_gain=1.5)


def test_a_run_that_was_interrupted_goes_on(
    device: Device, store: Store, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [Task("one", product(16)), Task("other", product(24))]
    stop = threading.Event()
    events: list[TrialEvent] = []

    def note(event: TrialEvent) -> None:
        events.append(event)
        if event.number == 3:
            stop.set()

    given = TuneOptions(10, Samplers(), check=False)
    run = partial(run_tuning, tasks, given, store=store, target=target, device=device)
    assert run(on_trial=note, stop=stop).interrupted
    done = store.stats().num_trials
    assert 3 <= done < 10
    assert run().trials == 10 - done
    assert f"{done} of the 10 trials of such a run" in caplog.text
    assert store.stats().num_trials == 10
    assert run().trials == 10, "a run that was finished begins again"


def test_what_was_asked_for_a_task_counts_from_where_the_run_was_interrupted(
    device: Device, store: Store, target: Target
) -> None:
    tasks = [Task("light", product(16), trials=5), Task("heavy", product(96))]
    stop = threading.Event()
    seen: list[TrialEvent] = []

    def note(event: TrialEvent) -> None:
        seen.append(event)
        if len(seen) == 2:
            stop.set()

    run = partial(run_tuning, tasks, TuneOptions(8, Samplers(), check=False), store=store, target=target, device=device)
    first = {task.name: task.trials for task in run(on_trial=note, stop=stop).tasks}
    assert 2 <= first["light"] < 5
    rest = {task.name: task.trials for task in run().tasks}
    assert (first["light"] + rest["light"], first["heavy"] + rest["heavy"]) == (5, 3)


def test_a_run_with_another_errand_begins_anew(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("one", product(16)), Task("other", product(24))]
    stop = threading.Event()
    given = TuneOptions(10, Samplers(), check=False)
    run_tuning(tasks, given, store=store, target=target, device=device, on_trial=lambda _: stop.set(), stop=stop)
    for other in (TuneOptions(4, Samplers(), check=False), TuneOptions(10, Samplers(), seed=1, check=False)):
        report = run_tuning(tasks, other, store=store, target=target, device=device)
        assert report.trials == other.trials


def test_what_earlier_runs_found_stands_beside_what_is_found(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("known", product(32)), Task("new", product(24))]
    run_tuning(tasks[:1], TuneOptions(6, Samplers(), check=False), store=store, target=target, device=device)
    given = TuneOptions(2, Samplers(), check=False)
    report = run_tuning(tasks, given, store=store, target=target, device=device)
    found = {task.name: task for task in report.tasks}
    assert found["known"].before is not None
    assert found["new"].before is None
    assert found["new"].trials == 2, "of what is known, less is to be gained"


def test_a_run_that_something_else_ended_is_not_unfinished(
    device: Device, store: Store, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [Task("one", product(16)), Task("other", product(24))]
    given = TuneOptions(40, Samplers(gain=lambda _: 0.001), check=False, least_gain=0.01)
    first = run_tuning(tasks, given, store=store, target=target, device=device)
    assert 0 < first.trials < 40
    run_tuning(tasks, given, store=store, target=target, device=device)
    assert "of such a run" not in caplog.text


def test_nobody_expects_more_than_the_roof_allows_and_less_after_batches_in_vain(
    device: Device, store: Store, target: Target
) -> None:
    told: list[Standing] = []
    tasks = [Task("one", product(64)), Task("other", product(96), weight=3.0)]
    given = TuneOptions(18, Samplers(gain=lambda _: 9.0), check=False)
    report = run_tuning(tasks, given, store=store, target=target, device=device, on_standing=told.append)
    numbers = [one.trials for one in told]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 18
    assert told[0].left_secs is not None
    for one in told:
        assert {task.name for task in one.tasks} == {"one", "other"}
        for task in one.tasks:
            if task.is_measured:
                assert task.roof_share is not None
                assert 0 <= task.gain <= max(1 - task.roof_share, 0) + 1e-9
    before = [next(task for task in one.tasks if task.name == "other").before_secs for one in told]
    assert len(set(before) - {None}) == 1, "the first schedule that was measured is what it began with"
    assert report.standing is not None
    assert [(task.name, task.trials) for task in report.standing.tasks] == [
        (task.name, task.trials) for task in told[-1].tasks
    ]


def test_a_task_gets_the_trials_that_are_asked_for_it(device: Device, store: Store, target: Target) -> None:
    tasks = [Task("light", product(16), trials=5), Task("heavy", product(96)), Task("never", product(128), trials=0)]
    assert trials(device, store, target, tasks, 11) == {"light": 5, "heavy": 6, "never": 0}
    with pytest.raises(UsageError, match="12 trials are asked for single tasks, and 11"):
        trials(device, store, target, [*tasks, Task("more", product(24), trials=7)], 11)
