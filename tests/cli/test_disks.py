"""Disks that are full, that cannot be written to, and stores that may not be read: a reason, a status, and no more.

Disks are real file systems in memory, mounted in a name space of their own; that takes root, as does leaving root's
right to read everything behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TUNEDB = Path(sys.executable).with_name("tunedb")
EXAMPLES = Path(__file__).parents[2] / "examples" / "workloads.py"
CAN_MOUNT = (
    os.geteuid() == 0
    and shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
)
disks = pytest.mark.skipif(not CAN_MOUNT, reason="file systems cannot be mounted here")
ORDINARY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # root without its right to read everything
unprivileged = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="rights cannot be left behind here"
)


def ended(script: str, status: int) -> str:
    """What a shell script says on stderr in the end; `tunedb` is its last command."""
    path = f"{TUNEDB.parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["unshare", "-m", "bash", "-ec", script], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert result.returncode == status, result.stderr
    for trace in ("Traceback", "panicked", "Segfault", "stack backtrace"):
        assert trace not in result.stderr
    return result.stderr.splitlines()[-1]


def mounted(folder: Path, size: str) -> str:
    folder.mkdir()
    return f"mount -t tmpfs -o size={size} tmpfs {folder}; "


@disks
@pytest.mark.parametrize("size", ["64k", "128k", "200k"])
def test_a_disk_that_fills_while_logs_are_read(logs: Path, tmp_path: Path, size: str) -> None:
    said = ended(f"{mounted(tmp_path / 'm', size)} tunedb ingest {logs} --store {tmp_path}/m/store", 1)
    assert said.startswith("tunedb: error: cannot ")
    assert said.endswith(": No space left on device")
    assert said.count("No space left") == said.count("cannot ") == 1


@disks
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.arrow", "database"])
def test_a_disk_that_fills_while_something_is_exported(store: Path, tmp_path: Path, name: str) -> None:
    script = f"{mounted(tmp_path / 'm', '16k')} tunedb export {tmp_path}/m/{name} --store {store} || s=$?"
    said = ended(f"{script}; find {tmp_path}/m -mindepth 1 >&2; exit $s", 1)
    assert said.startswith(f"tunedb: error: cannot write {tmp_path}/m/{name}")
    assert said.endswith(": No space left on device")


@disks
@pytest.mark.parametrize(
    "command",
    [
        "ingest LOGS --hardware other",
        "train --no-shipped",
        "features",
        "collect /dev/null --core 0",
        "tune nosuch.py:f",
        "export DISK/x.csv",
        "export DISK/database",
    ],
)
def test_a_disk_that_cannot_be_written_to(logs: Path, store: Path, tmp_path: Path, command: str) -> None:
    disk = tmp_path / "m"
    made = f"{mounted(disk, '20m')} cp -r {store} {disk}/store; mount -o remount,ro {disk}; "
    given = command.replace("LOGS", str(logs)).replace("DISK", str(disk))
    said = ended(f"{made} tunedb {given} --store {disk}/store", 1)
    assert said.endswith(": Read-only file system")
    assert said.count("cannot ") <= 1


@disks
@pytest.mark.tvm
def test_a_folder_for_temporary_files_that_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "m"
    full = f"{mounted(disk, '100k')} head -c 95k /dev/zero > {disk}/fill; export TMPDIR={disk}; "
    said = ended(f"{full} tunedb tune {EXAMPLES}:small_matmul --trials 2 --store {tmp_path}/store", 6)
    assert said.startswith("tunedb: error: this machine cannot build code for ")
    assert said.endswith(": No space left on device")


@disks
def test_no_store_can_be_made_there(logs: Path, tmp_path: Path) -> None:
    disk = tmp_path / "m"
    said = ended(f"{mounted(disk, '1m')} mount -o remount,ro {disk}; tunedb ingest {logs} --store {disk}/store", 1)
    assert said.endswith(": Read-only file system")


@unprivileged
@pytest.mark.parametrize("closed", [".", "trials", "trials/_delta_log", "trials/_delta_log/*"])
@pytest.mark.parametrize("command", ["stats", "best 5f3a", "export NEW", "verify"])
def test_a_store_that_may_not_be_read(store: Path, tmp_path: Path, closed: str, command: str) -> None:
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    subprocess.run(["bash", "-c", f"chmod 000 {copy}/{closed}"], check=True)
    given = command.replace("NEW", str(tmp_path / "new")).split()
    result = subprocess.run(
        [*ORDINARY, TUNEDB, *given, "--store", copy], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    subprocess.run(["chmod", "-R", "755", copy], check=True)
    assert result.returncode == 1
    assert "Permission denied" in result.stderr + result.stdout
    assert "no store" not in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()


@unprivileged
def test_a_store_that_may_not_be_written_to(store: Path, logs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    subprocess.run(["chmod", "-R", "a-w", copy], check=True)
    for given, status in ((["stats"], 0), (["ingest", logs, "--hardware", "other"], 1), (["train"], 1)):
        result = subprocess.run([*ORDINARY, TUNEDB, *given, "--store", copy], capture_output=True, text=True)
        assert result.returncode == status, result.stderr
        assert (status == 0) or result.stderr.endswith(": Permission denied\n")
        assert "panicked" not in result.stderr
