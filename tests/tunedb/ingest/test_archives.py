"""The bytes of logs: compressed, in archives, damaged."""

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

from tests.tunedb.logfiles import (
    RECORD_NAME,
    WORKLOAD_NAME,
    database,
    reasons,
    record_line,
    workload_line,
)
from tunedb.ingest.pipeline import ingest
from tunedb.store.memory import MemoryStore


def _zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", _zstd)],
    ids=[".gz", ".xz", ".bz2", ".zst"],
)
def test_compressed_files(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    database(tmp_path / "plain")
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in (RECORD_NAME, WORKLOAD_NAME):
        (packed / (name + suffix)).write_bytes(compress((tmp_path / "plain" / name).read_bytes()))
    store = MemoryStore()
    assert ingest(store, [packed / (RECORD_NAME + suffix)]).added == 3
    assert ingest(store, [tmp_path / "plain"]).added == 0
    assert store.stats().num_modules == 1


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tar_archives_are_streamed(tmp_path: Path, mode: str) -> None:
    database(tmp_path / "plain" / "x")
    database(tmp_path / "plain" / "y", [record_line(5)], [workload_line(structural_hash="55")])
    archive = tmp_path / "logs.tar"
    with tarfile.open(archive, mode) as packed:  # type: ignore[call-overload]
        packed.add(tmp_path / "plain", "logs")
    store = MemoryStore()
    report = ingest(store, [archive])
    assert (report.added, report.num_rejected) == (4, 0)
    assert any(row.uri == f"{archive}!logs/x/{RECORD_NAME}" for row in report.files)
    assert ingest(store, [tmp_path / "plain"]).added == 0
    cut = tmp_path / "cut.tar"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert ingest(MemoryStore(), [cut]).num_rejected > 0


def test_a_line_without_end_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.ingest.lines.MAX_LINE_BYTES", 30_000)
    database(tmp_path, [record_line(0), b"[0,[[[" + b" " * 100_000, record_line(2)])
    report = ingest(MemoryStore(), [tmp_path])
    assert report.added == 2
    assert report.rejected[0].line == 2


def test_a_tar_of_no_logs(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as packed:
        member = tarfile.TarInfo("readme.txt")
        member.size = 5
        packed.addfile(member, io.BytesIO(b"hello"))
    assert reasons(ingest(MemoryStore(), [archive])) == [("x.tar", 0, "no tuning logs here")]
