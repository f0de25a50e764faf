from pathlib import Path
from typing import Any

import pytest

from tunedb import identity
from tunedb.errors import MeasurementError
from tunedb.machine.hardware import this_machine
from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.metaschedule.export import export_metaschedule
from tunedb.query.calibration import calibration
from tunedb.query.tabular import to_arrow
from tunedb.records import Target
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm


@pytest.fixture(scope="module")
def canaries(target: Target, pools: Any) -> Any:
    from search.measure.reference_kernels import Canaries

    return Canaries(target, *pools)


def test_trials_calibrate_a_machine(target: Target, pools: Any) -> None:
    from search.measure.reference_kernels import Canaries

    canaries = Canaries(target, *pools)
    store, source, machine = MemoryStore(), identity.source("tune:1", "tune"), this_machine()
    assert calibration(store, target.target_id, machine.hardware_id).flop_per_sec is None
    workloads, trials = canaries.measure(machine, source)
    store.append(trials, workloads=workloads, targets=[target], hardware=[machine], sources=[source])
    assert [trial.workload_id for trial in trials] == [ARITHMETIC.workload_id, MEMORY.workload_id]
    found = calibration(store, target.target_id, machine.hardware_id)
    assert found.flop_per_sec is not None
    assert found.bytes_per_sec is not None
    assert 1e9 < found.flop_per_sec < 1e12  # of a core
    assert 1e8 < found.bytes_per_sec < 1e12
    assert calibration(store, target.target_id, "another machine").flop_per_sec is None


def test_only_an_export_that_names_the_kernels_has_them(target: Target, canaries: Any, tmp_path: Path) -> None:
    store, source, machine = MemoryStore(), identity.source("tune:1", "tune"), this_machine()
    workloads, trials = canaries.measure(machine, source)
    store.append(trials, workloads=workloads, targets=[target], hardware=[machine], sources=[source])
    assert export_metaschedule(store, tmp_path / "all").trials == to_arrow(store).num_rows == 0
    name = ARITHMETIC.workload_id
    assert export_metaschedule(store, tmp_path / "one", workload_id=name).trials == to_arrow(store, name).num_rows == 1


def test_what_is_stored_replays(canaries: Any) -> None:
    from tunedb.metaschedule.replay import schedule

    source = identity.source("tune:1", "tune")
    canaries.measure(this_machine(), source)
    workloads, trials = canaries.measure(this_machine(), source)
    assert len(trials) == 1  # the memory kernel runs once a run
    assert "vectorized" in str(schedule(workloads[0], trials[0].trace).mod)


def test_a_slower_machine_is_noticed(canaries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = identity.source("tune:1", "tune")
    canaries.measure(this_machine(), source)
    best = canaries.arithmetic_secs
    monkeypatch.setattr(canaries, "arithmetic_secs", best / 3)  # it was three times as fast before
    _, (now, *_) = canaries.measure(this_machine(), source)
    assert canaries.drift == pytest.approx(min(now.run_secs) / (best / 3))
    assert canaries.drift > 2
    assert canaries.worst_drift >= canaries.drift


def test_a_machine_that_cannot_run_the_target_is_an_error() -> None:
    from search.measure.reference_kernels import check_measuring
    from tunedb.identity import canonical_target

    report = check_measuring(canonical_target({"kind": "llvm", "mtriple": "aarch64-linux-gnu"}), this_machine())
    assert not report.ok
    assert "this machine cannot" in report.error


def test_its_trials_are_no_pools(canaries: Any, target: Target) -> None:
    from costmodels.pools import read_pools

    store, source, machine = MemoryStore(), identity.source("tune:1", "tune"), this_machine()
    for _ in range(2):
        workloads, trials = canaries.measure(machine, source)
        store.append(trials, workloads=workloads, targets=[target], hardware=[machine], sources=[source])
    assert read_pools(store, target).pools == []


def test_all_is_lost_only_when_nothing_runs(target: Target, pools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from search.measure import workers
    from search.measure.reference_kernels import Canaries

    made = Canaries(target, *pools)
    monkeypatch.setattr(workers, "run", workers.ready)  # takes no arguments: raises in the child
    with pytest.raises(MeasurementError, match="cannot run"):
        made.measure(this_machine(), identity.source("tune:1", "tune"))
