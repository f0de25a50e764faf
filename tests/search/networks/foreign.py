"""What it takes to run code of another architecture here; tests skip where some of it is missing, and say what."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AARCH64 = '{"kind":"llvm","mtriple":"aarch64-linux-gnu","mcpu":"cortex-a72","num-cores":2}'
RISCV64 = (
    '{"kind":"llvm","mtriple":"riscv64-linux-gnu","mcpu":"generic-rv64","mabi":"lp64d","num-cores":1,'
    '"mattr":["+m","+a","+f","+d","+c"]}'
)


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def wheels_for_aarch64(folder: Path) -> Path:
    """The folder of TVM's wheels for AArch64: the one that TUNEDB_AARCH64_RUNTIME names, else what pip fetches."""
    told = os.environ.get("TUNEDB_AARCH64_RUNTIME")
    if told:
        return Path(told)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 24, 26, 27, 28)]
    packages = [f"{name}=={importlib.metadata.version(name)}" for name in ("apache-tvm", "apache-tvm-ffi")]
    options = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms, "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, *packages]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        why = "" if done.returncode == 0 else (done.stderr.strip() or "?").splitlines()[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        pytest.skip(f"TVM's wheels for AArch64 cannot be fetched: {why}; TUNEDB_AARCH64_RUNTIME may name a folder")
    return folder
