import ctypes

import pytest

from search.measure import cuda_driver
from tunedb.errors import MeasurementError, UsageError
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
    assert all(one.kind == "gpu" and one.num_sms and one.memory_bytes for one in found)
