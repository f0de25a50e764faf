"""TVM's runtime for another architecture is found among libraries and wheels, and never taken for another one's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from search.measure.cross.runtimes import LIBRARIES, gather, is_for
from tunedb.errors import BadInputError, NotFoundError
from tunedb.program.releases import installed

X86, AARCH64, RISCV = 62, 183, 243


def library(machine: int, name: str = "") -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + name.encode()


def wheel(folder: Path, package: str, version: str, name: str, machine: int) -> None:
    path = folder / f"{package}-{version}-py3-none-linux.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"tvm/lib/{name}", library(machine, version))
        made.writestr("tvm/__init__.py", "")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_wheels_are_looked_into_and_the_installed_release_is_preferred(tmp_path: Path, into: Path) -> None:
    for package, distribution, name in (
        ("apache_tvm", "apache-tvm", "libtvm_runtime.so"),
        ("apache_tvm_ffi", "apache-tvm-ffi", "libtvm_ffi.so"),
    ):
        wheel(tmp_path, package, "0.0.1", name, AARCH64)
        wheel(tmp_path, package, installed(distribution), name, AARCH64)
        wheel(tmp_path, package, "9.9.9", name, X86)
    gather(tmp_path, "aarch64", into)
    assert (into / "libtvm_runtime.so").read_bytes() == library(AARCH64, installed("apache-tvm"))
    assert (into / "libtvm_ffi.so").read_bytes() == library(AARCH64, installed("apache-tvm-ffi"))


def test_libraries_of_another_architecture_are_passed_over(tmp_path: Path, into: Path) -> None:
    for machine, place in ((X86, "a"), (AARCH64, "b")):
        folder = tmp_path / place
        folder.mkdir()
        for name in LIBRARIES:
            (folder / name).write_bytes(library(machine))
    gather(tmp_path, "aarch64", into)
    assert is_for((into / "libtvm_ffi.so").read_bytes(), "aarch64")
    with pytest.raises(NotFoundError, match=r"has no libtvm_runtime\.so of riscv64"):
        gather(tmp_path, "riscv64", into)


def test_what_cannot_be_read_is_named(tmp_path: Path, into: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        gather(tmp_path / "nowhere", "aarch64", into)
    (tmp_path / "apache_tvm-1-py3-none-linux.whl").write_bytes(b"PK no wheel")
    with pytest.raises(BadInputError, match="not a wheel that can be read"):
        gather(tmp_path, "aarch64", into)
    assert not is_for(b"MZ", "aarch64")
