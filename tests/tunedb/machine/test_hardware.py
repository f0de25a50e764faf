"""A machine is described by what Linux says of it, and by less elsewhere."""

from __future__ import annotations

from pathlib import Path

from tunedb.machine.hardware import hardware_named, this_machine

CPUINFO = """processor\t: 0
model name\t: AMD EPYC   9965 192-Core Processor
flags\t\t: fpu sse2 avx avx2 avx512f
"""


def _machine(root: Path, memory_kib: int = 24_600_000) -> Path:
    cache = root / "sys/devices/system/cpu/cpu0/cache"
    for number, (level, kind, size) in enumerate(
        (("1", "Data", "48K"), ("2", "Unified", "1024K"), ("3", "Unified", "32M"))
    ):
        folder = cache / f"index{number}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(value + "\n")
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_text(CPUINFO)
    (root / "proc/meminfo").write_text(f"MemTotal:       {memory_kib} kB\n")
    return root


def test_linux_says_what_it_is(tmp_path: Path) -> None:
    machine = this_machine(_machine(tmp_path))
    assert machine.name == "AMD EPYC 9965 192-Core Processor"
    assert (machine.kind, machine.simd_bits) == ("cpu", 512)
    assert (machine.l1d_bytes, machine.l2_bytes, machine.l3_bytes) == (48 << 10, 1 << 20, 32 << 20)
    assert machine.memory_bytes == 23 << 30


def test_a_little_more_memory_is_the_same_machine(tmp_path: Path) -> None:
    one = this_machine(_machine(tmp_path / "one"))
    other = this_machine(_machine(tmp_path / "other", memory_kib=24_600_100))
    assert one == other


def test_elsewhere_less_is_known(tmp_path: Path) -> None:
    machine = this_machine(tmp_path)
    assert machine.name
    assert machine.simd_bits is None
    assert machine.l1d_bytes is None


def test_named_machines() -> None:
    assert hardware_named("Apple M1 Ultra") == hardware_named(" Apple M1 Ultra ")
    assert hardware_named("Apple M1 Ultra").hardware_id != hardware_named("Apple M2").hardware_id
    assert hardware_named("").name == "unknown"
