"""The CUDA devices of this machine, asked of the driver itself: no toolkit and no TVM."""

from __future__ import annotations

import ctypes
import uuid
from typing import Any

from tunedb.errors import MeasurementError
from tunedb.identity import identified
from tunedb.machine.hardware import this_machine
from tunedb.records import Hardware

_LIBRARY = "libcuda.so.1"
_NAME_BYTES, _UUID_BYTES = 256, 16
# Of CUdevice_attribute.
_MULTIPROCESSORS, _MEMORY_KHZ, _BUS_BITS, _L2_BYTES, _MAJOR, _MINOR = 16, 36, 37, 38, 75, 76
_A_TICK = 2  # transfers for each tick of the memory's clock: all of these memories have a double data rate
_GIGA = 1_000_000_000
_GIB = 1 << 30


def devices() -> list[Hardware]:
    """The devices that this process may use, in the driver's order; CUDA_VISIBLE_DEVICES narrows them down.

    Raises:
        MeasurementError: There is no driver, or it does not work; the message says which.
    """
    return [device for device, _ in devices_with_uuids()]


def devices_with_uuids() -> list[tuple[Hardware, str]]:
    """As `devices`, each with the name by which NVIDIA's tools know it: "GPU-8f8a...".

    Raises:
        MeasurementError: There is no driver, or it does not work; the message says which.
    """
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise MeasurementError(f"this machine has no CUDA device: {_LIBRARY} is not here") from error
    code = driver.cuInit(0)
    if code != 0:
        raise MeasurementError(f"this machine has no CUDA device that works: the driver answers with error {code}")
    version = _number(driver, "cuDriverGetVersion")
    return [_device(driver, place, version) for place in range(_number(driver, "cuDeviceGetCount"))]


def hardware_of(
    name: str,
    capability: tuple[int, int],
    num_sms: int,
    l2_bytes: int,
    memory_bytes: int,
    driver: int,
    memory_bytes_per_sec: int = 0,
    host: str = "",
) -> Hardware:
    """A device as records have it. Memory is in whole GiB, so that a new driver makes no new device by that.

    Args:
        name: As the driver says it.
        capability: The compute capability.
        num_sms: Of its multiprocessors.
        l2_bytes: Of its L2 cache.
        memory_bytes: Of its memory.
        driver: The CUDA version of the driver as it says it: 12040 is 12.4; 0 where it is not known.
        memory_bytes_per_sec: Between it and its memory; 0 where it is not known. It is told in whole GB/s.
        host: The name of the CPU beside it; "" where it is not known.
    """
    made = Hardware(
        hardware_id="",
        name=" ".join(name.split()),
        kind="gpu",
        compute_capability=f"{capability[0]}.{capability[1]}",
        num_sms=num_sms,
        l2_bytes=l2_bytes or None,
        memory_bytes=round(memory_bytes / _GIB) * _GIB,
        driver=f"{driver // 1000}.{driver % 1000 // 10}" if driver else None,
        memory_bytes_per_sec=round(memory_bytes_per_sec / _GIGA) * _GIGA or None,
        host=host or None,
    )
    return identified(made)


def bandwidth_of(memory_khz: int, bus_bits: int) -> int:
    """Bytes a second between a device and its memory.

    Args:
        memory_khz: The clock of its memory; 0 where it is not known.
        bus_bits: How wide the bus between them is; likewise.
    """
    return _A_TICK * 1000 * memory_khz * bus_bits // 8


def _device(driver: Any, place: int, version: int) -> tuple[Hardware, str]:
    device = ctypes.c_int()
    _check(driver.cuDeviceGet(ctypes.byref(device), place))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(driver.cuDeviceGetName(name, _NAME_BYTES, device))
    memory = ctypes.c_size_t()
    _check(driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device))

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        _check(driver.cuDeviceGetAttribute(ctypes.byref(value), number, device))
        return value.value

    identity = (ctypes.c_ubyte * _UUID_BYTES)()
    _check(driver.cuDeviceGetUuid(identity, device))

    def optional(number: int) -> int:
        """As `attribute`; 0 where the driver does not know it, as one day it may no longer."""
        value = ctypes.c_int()
        return value.value if driver.cuDeviceGetAttribute(ctypes.byref(value), number, device) == 0 else 0

    found = hardware_of(
        name.value.decode(errors="replace"),
        (attribute(_MAJOR), attribute(_MINOR)),
        attribute(_MULTIPROCESSORS),
        attribute(_L2_BYTES),
        memory.value,
        version,
        bandwidth_of(optional(_MEMORY_KHZ), optional(_BUS_BITS)),
        this_machine().name,
    )
    return found, f"GPU-{uuid.UUID(bytes=bytes(identity))}"


def _number(driver: Any, function: str) -> int:
    value = ctypes.c_int()
    _check(getattr(driver, function)(ctypes.byref(value)))
    return value.value


def _check(code: int) -> None:
    if code != 0:
        raise MeasurementError(f"the CUDA driver answers with error {code}")
