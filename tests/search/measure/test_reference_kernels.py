from pathlib import Path

import pytest

from search.measure.device import Device
from search.measure.drift import Drift
from search.measure.reference_kernels import ReferenceKernels, check_measuring
from tunedb import identity
from tunedb.errors import MeasurementError
from tunedb.machine.kernels import ARITHMETIC, MEMORY
from tunedb.metaschedule.export import export_metaschedule
from tunedb.query.calibration import calibration
from tunedb.query.tabular import to_arrow
from tunedb.records import Source, Target, Trial
from tunedb.store.memory import MemoryStore

pytestmark = pytest.mark.tvm

RUN = identity.source("tune:1", "tune")


@pytest.fixture(scope="module")
def kernels(device: Device) -> ReferenceKernels:
    return ReferenceKernels(device)


def stored(device: Device, kernels: ReferenceKernels, trials: list[Trial]) -> MemoryStore:
    store = MemoryStore()
    workloads, modules = zip(*kernels.modules, strict=True)
    store.append(
        trials, workloads=workloads, modules=modules, targets=[device.target], hardware=[device.hardware], sources=[RUN]
    )
    return store


def test_trials_calibrate_a_machine(device: Device) -> None:
    kernels = ReferenceKernels(device)
    target_id, machine_id = device.target.target_id, device.hardware.hardware_id
    assert calibration(MemoryStore(), target_id, machine_id).flop_per_sec is None
    trials = kernels.measure(RUN)
    store = stored(device, kernels, trials)
    assert [trial.workload_id for trial in trials] == [ARITHMETIC.workload_id, MEMORY.workload_id]
    found = calibration(store, target_id, machine_id)
    assert found.flop_per_sec is not None
    assert found.bytes_per_sec is not None
    assert 1e9 < found.flop_per_sec < 1e12  # of a core
    assert 1e8 < found.bytes_per_sec < 1e12
    assert calibration(store, target_id, "another machine").flop_per_sec is None


def test_only_an_export_that_names_the_kernels_has_them(
    device: Device, kernels: ReferenceKernels, tmp_path: Path
) -> None:
    store = stored(device, kernels, kernels.measure(RUN))
    assert export_metaschedule(store, tmp_path / "all").trials == to_arrow(store).num_rows == 0
    name = ARITHMETIC.workload_id
    assert export_metaschedule(store, tmp_path / "one", workload_id=name).trials == to_arrow(store, name).num_rows == 1


def test_what_is_stored_replays(kernels: ReferenceKernels) -> None:
    from tunedb.metaschedule.replay import schedule

    kernels.measure(RUN)
    trials = kernels.measure(RUN)
    assert len(trials) == 1  # the memory kernel runs once a run
    assert "vectorized" in str(schedule(kernels.modules[0][1], trials[0].trace).mod)


def test_a_slower_machine_is_noticed(monkeypatch: pytest.MonkeyPatch, kernels: ReferenceKernels) -> None:
    told_to_take(kernels, monkeypatch, [0.001, 0.003, 0.002])
    drift = Drift(kernels, RUN)
    found = []
    for _ in range(3):
        drift.measure()
        found.append(round(drift.now, 6))
    assert found == [1.0, 3.0, 2.0]
    assert drift.best_secs == pytest.approx(0.001)
    assert drift.worst == pytest.approx(3.0)


def told_to_take(kernels: ReferenceKernels, monkeypatch: pytest.MonkeyPatch, secs: list[float]) -> None:
    """Has each measurement take so long, one after the other: what a machine takes is not the same twice."""
    import dataclasses

    (trial, *_) = kernels.measure(RUN)
    left = iter(secs)
    monkeypatch.setattr(kernels, "measure", lambda _: [dataclasses.replace(trial, run_secs=(next(left),))])


def test_noise_is_no_drift(monkeypatch: pytest.MonkeyPatch, kernels: ReferenceKernels) -> None:
    told_to_take(kernels, monkeypatch, [1.0, 1.04, 1.2, 1.0])
    drift = Drift(kernels, RUN)
    found = []
    for _ in range(4):
        drift.measure()
        found.append(round(drift.now, 6))
    assert found == [1.0, 1.0, 1.2, 1.0]
    assert drift.worst == pytest.approx(1.2)


def test_a_machine_that_can_measure_says_how_fast_it_is(device: Device) -> None:
    report = check_measuring(device)
    assert report.ok, report.error
    assert report.run_secs is not None
    assert 0 < report.run_secs < 1


def test_a_machine_that_cannot_run_the_target_is_an_error() -> None:
    from search.measure.local import LocalCpu
    from tunedb.identity import canonical_target

    with LocalCpu(canonical_target({"kind": "llvm", "mtriple": "aarch64-linux-gnu"})) as foreign:
        report = check_measuring(foreign)
    assert not report.ok
    assert "this machine cannot" in report.error


def test_its_trials_are_no_pools(device: Device, kernels: ReferenceKernels, target: Target) -> None:
    from costmodels.pools import read_pools

    store = stored(device, kernels, [*kernels.measure(RUN), *kernels.measure(RUN)])
    assert read_pools(store, target).pools == []


def test_all_is_lost_only_when_nothing_runs(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    from search.measure import workers

    made = ReferenceKernels(device)
    monkeypatch.setattr(workers, "run", workers.ready)  # takes no arguments: raises in the child
    with pytest.raises(MeasurementError, match="cannot run"):
        made.measure(RUN)


def test_a_run_is_a_source_of_its_own(kernels: ReferenceKernels) -> None:
    other: Source = identity.source("tune:2", "tune")
    assert {trial.source_id for trial in kernels.measure(other)} == {other.source_id}
