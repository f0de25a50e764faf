"""TVM's runtime for another architecture: two libraries, found in a folder of them or in TVM's own wheels for it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tunedb.errors import BadInputError, NotFoundError
from tunedb.program.releases import installed

LIBRARIES = ("libtvm_runtime.so", "libtvm_ffi.so")
_ELF = b"\x7fELF"
_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "arm": 40}  # as the headers of ELF files number them
_MACHINE_AT = 18
_WHEELS = ("apache_tvm-", "apache_tvm_ffi-")
_WANTED = "those of TVM's wheels for it, or the wheels themselves"


def gather(folder: Path, architecture: str, into: Path) -> None:
    """Puts TVM's runtime for an architecture into a folder.

    Args:
        folder: Where it is looked for, and in the folders below: the libraries, or wheels that hold them.
        architecture: Such as "aarch64".
        into: The folder that the libraries are copied to.

    Raises:
        NotFoundError: There is no such folder, or one of the libraries is in none of the places.
        BadInputError: A wheel cannot be read.
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder")
    for name in LIBRARIES:
        content = next((found for found in _found(folder, name) if is_for(found, architecture)), None)
        if content is None:
            raise NotFoundError(f"{folder} has no {name} of {architecture}: it should have {_WANTED}")
        (into / name).write_bytes(content)


def is_for(library: bytes, architecture: str) -> bool:
    """Whether a library is of an architecture; one of an architecture that is not known here may be.

    Args:
        library: Its content, or the beginning of it.
        architecture: Such as "aarch64".
    """
    machine = int.from_bytes(library[_MACHINE_AT : _MACHINE_AT + 2], "little")
    return library[:4] == _ELF and machine == _MACHINES.get(architecture, machine)


def _found(folder: Path, name: str) -> Iterator[bytes]:
    """The libraries of a name: those that lie there, then those of wheels, of the installed release first."""
    for path in sorted(folder.rglob(name)):
        yield path.read_bytes()
    releases = [f"-{installed(package)}-" for package in ("apache-tvm", "apache-tvm-ffi")]
    wheels = [path for path in folder.rglob("*.whl") if path.name.startswith(_WHEELS)]
    for path in sorted(wheels, key=lambda one: (not any(release in one.name for release in releases), one.name)):
        try:
            with zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    if PurePosixPath(member).name == name:
                        yield wheel.read(member)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInputError(f"{path}: not a wheel that can be read: {error}") from error
