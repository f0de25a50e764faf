"""Which GPUs run a target's code, and how they were set."""

import pytest

from search.measure import cuda_driver
from search.measure.cuda import clocks
from search.measure.cuda.gpus import gpus_for, runs
from search.measure.here import this_device
from search.targets import cuda_target
from tests.search.measure.cuda.stand_in import H100
from tunedb.errors import MeasurementError, UsageError
from tunedb.identity import canonical_target

A10 = cuda_driver.hardware_of("NVIDIA A10", (8, 6), 72, 6 << 20, 24 << 30, 12040)
TARGET = cuda_target(H100)


def show(monkeypatch: pytest.MonkeyPatch, *found: object) -> None:
    listed = [(one, f"GPU-{place}") for place, one in enumerate(found)]
    monkeypatch.setattr(cuda_driver, "devices_with_uuids", lambda: listed)


@pytest.mark.parametrize(
    ("arch", "is_run"), [("sm_90a", True), ("sm_90", True), ("sm_86", False), ("sm_100a", False), ("", False)]
)
def test_machine_code_runs_on_its_own_architecture(arch: str, is_run: bool) -> None:
    assert runs(H100, arch) is is_run


def test_machine_code_runs_on_later_ones_of_the_same_generation() -> None:
    assert runs(A10, "sm_80")
    assert not runs(A10, "sm_89")


def test_the_devices_that_run_the_target_are_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    show(monkeypatch, A10, H100, H100)
    assert [(one.place, one.uuid) for one in gpus_for(TARGET)] == [(1, "GPU-1"), (2, "GPU-2")]
    other = cuda_driver.hardware_of("NVIDIA GH200", (9, 0), 132, 60 << 20, 96 << 30, 12040)
    show(monkeypatch, H100, other)
    assert [one.place for one in gpus_for(TARGET)] == [0]
    assert "NVIDIA GH200 is of another kind and stays idle" in caplog.text


def test_what_was_looked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch, A10)
    with pytest.raises(MeasurementError, match=r"runs code for sm_90a; it has NVIDIA A10 \(8.6\): --target cuda"):
        gpus_for(TARGET)
    show(monkeypatch)
    with pytest.raises(MeasurementError, match="CUDA_VISIBLE_DEVICES hides all"):
        gpus_for(TARGET)


def test_without_a_driver_it_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libcuda-of-no-machine.so.1")
    with pytest.raises(MeasurementError, match=r"libcuda-of-no-machine\.so\.1 is not here; install .*--rpc-tracker"):
        gpus_for(TARGET)


@pytest.mark.tvm
def test_other_kinds_of_device_have_no_runner() -> None:
    with pytest.raises(UsageError, match=r"no runner for vulkan yet: .* search\.bayesian_optimization"):
        this_device(canonical_target("vulkan"))


def answer(**told: str) -> list[str]:
    return [told.get(field.replace(".", "_"), "[N/A]") for field in clocks.FIELDS]


def test_what_differs_from_the_defaults_is_a_condition() -> None:
    found = clocks.settings_of(
        answer(
            power_limit="300.00",
            power_default_limit="700.00",
            clocks_applications_graphics="1980",
            clocks_default_applications_graphics="1980",
        )
    )
    assert found == {"power_limit_watts": 300}
    assert clocks.settings_of([]) == {}


def test_what_slows_a_gpu_down_is_named() -> None:
    assert clocks.slowed_by(answer(clocks_throttle_reasons_active="0x0000000000000044")) == ["heat (hardware)"]
    assert clocks.slowed_by(answer()) == []


def test_nobody_is_asked_where_there_is_no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_TOOL", "nvidia-smi-of-no-machine")
    assert clocks.settings("GPU-1") == {}
