"""What a machine behind a tracker is, by its files; that they are read is shown in `test_fleet`."""

import pytest

from search.measure.fleet.machine import PATHS, hardware_of, is_emulated

AMD = b"processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: sse2 avx2\n"
ARM = b"processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
RISCV = b"processor\t: 0\nisa\t\t: rv64imafdc\n"


def files(cpuinfo: bytes) -> list[bytes]:
    return [cpuinfo, *[b""] * (len(PATHS) - 1)]


@pytest.mark.parametrize(
    ("cpuinfo", "architecture", "emulates"),
    [
        (AMD, "x86_64", False),
        (AMD, "i686", False),
        (AMD, "aarch64", True),
        (AMD, "riscv64", True),
        (ARM, "aarch64", False),
        (ARM, "armv7l", False),
        (ARM, "x86_64", True),
        (RISCV, "riscv64", False),
        (b"", "aarch64", False),
        (AMD, "", False),
    ],
)
def test_a_machine_that_emulates_is_told_from_one_that_does_not(
    cpuinfo: bytes, architecture: str, emulates: bool
) -> None:
    assert is_emulated(files(cpuinfo), architecture) is emulates


def test_what_is_emulated_is_no_machine_of_its_own_kind() -> None:
    real, emulated = hardware_of(files(AMD), "x86_64"), hardware_of(files(AMD), "aarch64")
    assert (real.name, real.simd_bits) == ("AMD EPYC", 256)
    assert (emulated.name, emulated.simd_bits) == ("aarch64, emulated on AMD EPYC", None)
    assert real.hardware_id != emulated.hardware_id
