import ctypes
from typing import Any

import pytest

from search.measure import cuda_driver
from tunedb.errors import MeasurementError, UsageError
from tunedb.machine.hardware import this_machine
from tunedb.records import Hardware

H100 = ("NVIDIA  H100 80GB HBM3", (9, 0), 132, 50 << 20, 85_029_158_912, 12040)


def test_a_device_is_described_as_records_have_it() -> None:
    found = cuda_driver.hardware_of(*H100)
    assert found == Hardware(
        hardware_id=found.hardware_id,
        name="NVIDIA H100 80GB HBM3",
        kind="gpu",
        compute_capability="9.0",
        num_sms=132,
        l2_bytes=50 << 20,
        memory_bytes=79 << 30,
        driver="12.4",
    )
    assert found.hardware_id == cuda_driver.hardware_of(*H100).hardware_id
    assert found.hardware_id != cuda_driver.hardware_of(*H100[:-1], 12050).hardware_id


def test_bandwidth_and_host_stand_beside_it() -> None:
    found = cuda_driver.hardware_of(*H100, cuda_driver.bandwidth_of(2_619_000, 5120), "AMD EPYC 9965")
    assert (found.memory_bytes_per_sec, found.host) == (3_352_000_000_000, "AMD EPYC 9965")
    assert found.hardware_id != cuda_driver.hardware_of(*H100).hardware_id
    unknown = cuda_driver.hardware_of(*H100, cuda_driver.bandwidth_of(0, 5120), "")
    assert unknown == cuda_driver.hardware_of(*H100)


def driver_of(attributes: dict[int, int]) -> Any:
    """A driver that has one device and knows some of its attributes: a stand-in for hardware that is not here."""

    class Driver:
        def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's own names
            return flags

        def cuDriverGetVersion(self, number: Any) -> int:  # noqa: N802
            number._obj.value = H100[-1]
            return 0

        def cuDeviceGetCount(self, number: Any) -> int:  # noqa: N802
            number._obj.value = 1
            return 0

        def cuDeviceGet(self, device: Any, place: int) -> int:  # noqa: N802
            device._obj.value = place
            return 0

        def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
            name.value = H100[0].encode()[:size]
            return 0

        def cuDeviceTotalMem_v2(self, memory: Any, device: Any) -> int:  # noqa: N802
            memory._obj.value = H100[4]
            return 0

        def cuDeviceGetAttribute(self, value: Any, number: int, device: Any) -> int:  # noqa: N802
            value._obj.value = attributes.get(number, 0)
            return 0 if number in attributes else 1  # CUDA_ERROR_INVALID_VALUE

        def cuDeviceGetUuid(self, identity: Any, device: Any) -> int:  # noqa: N802
            return 0

    return Driver()


@pytest.mark.parametrize("has_clock", [True, False])
def test_a_driver_is_asked_for_bandwidth_and_may_not_know_it(monkeypatch: pytest.MonkeyPatch, has_clock: bool) -> None:
    attributes = {16: 132, 38: 50 << 20, 75: 9, 76: 0, 37: 5120, **({36: 2_619_000} if has_clock else {})}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver_of(attributes))
    (found,) = cuda_driver.devices()
    assert (found.name, found.num_sms, found.host) == ("NVIDIA H100 80GB HBM3", 132, this_machine().name)
    assert found.memory_bytes_per_sec == (3_352_000_000_000 if has_clock else None)


def test_without_a_driver_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libcuda-of-no-machine.so.1")
    with pytest.raises(MeasurementError, match=r"no CUDA device: libcuda-of-no-machine\.so\.1 is not here"):
        cuda_driver.devices()


@pytest.mark.tvm
def test_cuda_alone_is_the_gpu_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from search.targets import cuda_target, parse_target

    target = cuda_target(cuda_driver.hardware_of(*H100))
    assert (target.kind, target.arch) == ("cuda", "sm_90a")
    assert parse_target(target.text).target_id == target.target_id
    assert cuda_target(cuda_driver.hardware_of("T4", (7, 5), 40, 0, 16 << 30, 12040)).arch == "sm_75"
    monkeypatch.setattr(cuda_driver, "devices", lambda: [cuda_driver.hardware_of(*H100)])
    assert parse_target("cuda").target_id == target.target_id
    monkeypatch.setattr(cuda_driver, "devices", list)
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES hides all"):
        parse_target("cuda")


@pytest.mark.tvm
def test_cuda_alone_on_a_machine_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from search.targets import parse_target

    monkeypatch.setattr(cuda_driver, "_LIBRARY", "libcuda-of-no-machine.so.1")
    with pytest.raises(UsageError, match="name the GPU that is meant, such as nvidia/nvidia-h100"):
        parse_target("cuda")


@pytest.mark.gpu
def test_the_driver_names_the_devices_of_this_machine() -> None:
    ctypes.CDLL("libcuda.so.1")
    found = cuda_driver.devices()
    assert all(uuid.startswith("GPU-") for _, uuid in cuda_driver.devices_with_uuids())
    assert found
    assert all(one.kind == "gpu" and one.num_sms and one.memory_bytes and one.host for one in found)
    assert all(1e10 < (one.memory_bytes_per_sec or 1e11) < 1e14 for one in found)
