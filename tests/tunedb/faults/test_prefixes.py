"""Logs that end anywhere: every byte-prefix is read as far as it goes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.tunedb.logfiles import RECORD_NAME, WORKLOAD_NAME, ansor, autotvm, database, record_line, workload_line
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore

RECORDS = b"".join(record_line(number) + b"\n" for number in range(4))
WORKLOADS = b"".join(workload_line(structural_hash=str(number)) + b"\n" for number in (1, 2))


def packed_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in ((WORKLOAD_NAME, WORKLOADS), (RECORD_NAME, RECORDS)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


FORMS: dict[str, tuple[str, bytes]] = {
    "records": (RECORD_NAME, RECORDS),
    "workloads": (WORKLOAD_NAME, WORKLOADS),
    "autotvm": ("tune.log", "\n".join(["# made by hand", autotvm(), autotvm(2e-4)]).encode()),
    "ansor": ("ansor.json", "\n".join(["# made by hand", ansor(), ansor(2e-4)]).encode()),
    "gzip": (f"{RECORD_NAME}.gz", gzip.compress(RECORDS)),
    "xz": (f"{RECORD_NAME}.xz", lzma.compress(RECORDS)),
    "bzip2": (f"{RECORD_NAME}.bz2", bz2.compress(RECORDS)),
    "zstd": (f"{RECORD_NAME}.zst", pa.compress(RECORDS, "zstd", asbytes=True)),
    "tar": ("logs.tar.gz", packed_tar()),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", list(FORMS))
def test_every_prefix(form: str, tmp_path: Path) -> None:
    name, content = FORMS[form]
    folder = tmp_path / "logs"
    if form == "tar":
        folder.mkdir()
    else:
        database(folder)
        (folder / RECORD_NAME).unlink()
    path = folder / name
    most = 0
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        store = MemoryStore()
        report = ingest(store, [folder])
        assert store.stats().num_trials == report.added
        assert store.problems() == []
        if form == "records":
            whole = content[:length].count(b"\n")
            assert report.added in (whole, whole + 1)  # a last line may lack no more than its end
        assert report.added >= (most if form in ("records", "autotvm", "ansor") else 0)
        most = max(most, report.added)
    wanted: dict[str, Callable[[], bool]] = {"workloads": lambda: most == 0}
    assert wanted.get(form, lambda: most in (2, 4))()
