"""Nothing of what is damaged is stored: of every packing, with every byte changed and every end cut off."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tunedb.ingest.packing import COMPRESSIONS, tar, zipped, zstd_with_checksum, zstd_without_checksum
from tests.tunedb.logfiles import RECORD_NAME, WORKLOAD_NAME, autotvm, record_line, workload_line
from tunedb.ingest.pipeline import ingest
from tunedb.ingest.report import IngestReport
from tunedb.store.memory import MemoryStore

RECORDS = b"".join(record_line(number) + b"\n" for number in range(6))
WORKLOADS = workload_line() + b"\n"
BOTH = {WORKLOAD_NAME: WORKLOADS, RECORD_NAME: RECORDS}
AUTOTVM = "".join(autotvm(number * 1e-5) + "\n" for number in range(1, 7)).encode()


HALF = AUTOTVM.index(b"\n", len(AUTOTVM) // 2) + 1


def two_members(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(AUTOTVM[:HALF]) + compress(AUTOTVM[HALF:])


FORMS: dict[str, tuple[str, bytes]] = {
    **{name: (f"tune.log{suffix}", compress(AUTOTVM)) for name, (suffix, compress) in COMPRESSIONS.items()},
    **{f"{name}, two": (f"tune.log{suffix}", two_members(pack)) for name, (suffix, pack) in COMPRESSIONS.items()},
    **{f"tar, {name}": (f"logs.tar{suffix}", compress(tar(BOTH))) for name, (suffix, compress) in COMPRESSIONS.items()},
    "zip": ("logs.zip", zipped(BOTH)),
    "zip, stored": ("logs.zip", zipped(BOTH, zipfile.ZIP_STORED)),
    "zip, bzip2": ("logs.zip", zipped(BOTH, zipfile.ZIP_BZIP2)),
    "zip of gzip": ("logs.zip", zipped({f"{name}.gz": gzip.compress(content) for name, content in BOTH.items()})),
    "tar of xz": ("logs.tar.gz", gzip.compress(tar({f"{name}.xz": lzma.compress(row) for name, row in BOTH.items()}))),
}

FIRST_MEMBERS = {f"{name}, two": compress(AUTOTVM[:HALF]) for name, (_, compress) in COMPRESSIONS.items()}


def stored(path: Path, *, salvage: bool = False) -> tuple[MemoryStore, IngestReport]:
    store = MemoryStore()
    report = ingest(store, [path], salvage=salvage)
    assert store.problems() == []
    assert store.stats().num_trials == report.added
    return store, report


def ids(store: MemoryStore) -> set[str]:
    return {trial.trial_id for trial in store.trials()}


def places(content: bytes, most: int = 150) -> Iterator[int]:
    """Some of a file's bytes, its first and last ones among them."""
    step = max(1, len(content) // most)
    yield from sorted(
        {*range(min(32, len(content))), *range(0, len(content), step), *range(len(content) - 32, len(content))}
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_byte_leaves_all_or_nothing(form: str, tmp_path: Path) -> None:
    name, content = FORMS[form]
    path = tmp_path / name
    path.write_bytes(content)
    whole = ids(stored(path)[0])
    assert len(whole) == 6
    refused = 0
    for place in places(content):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(bytes(changed))
        store, report = stored(path)
        found = ids(store)
        assert found in (whole, set()), place
        if not found:
            assert report.num_rejected > 0, place
            refused += 1
        if name.startswith(
            "tune.log"
        ):  # else a workload file may be what is damaged, and a trial is another without it
            assert ids(stored(path, salvage=True)[0]) <= whole, place
    assert refused > 20


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_off_end_leaves_nothing_unless_it_is_salvaged(form: str, tmp_path: Path) -> None:
    name, content = FORMS[form]
    path = tmp_path / name
    path.write_bytes(content)
    whole = ids(stored(path)[0])
    most = 0
    for length in {*range(1, len(content), max(1, len(content) // 40)), len(content) - 1}:
        path.write_bytes(content[:length])
        store, report = stored(path)
        if length == len(FIRST_MEMBERS.get(form, b"")):
            continue  # that is a whole file
        assert report.num_rejected > 0
        assert ids(store) == set()
        salvaged, report = stored(path, salvage=True)
        known = ids(salvaged)
        assert report.num_rejected > 0
        assert known <= whole or "of" in form or "tar" in form  # without its workload file a trial is another
        most = max(most, len(known))
        if known:
            assert all(
                source.detail == '{"salvaged":true}' for source in salvaged.sources() if salvaged.stats().num_trials
            )
    if form in ("gzip", "bzip2", "zstd", "gzip, two", "tar, gzip"):
        assert most > 0 or form in ("bzip2", "zstd")


@pytest.mark.parametrize("form", COMPRESSIONS)
def test_every_length_of_a_file_named_as_is_custom(form: str, tmp_path: Path) -> None:
    suffix, compress = COMPRESSIONS[form]
    (tmp_path / WORKLOAD_NAME).write_bytes(WORKLOADS)
    path = tmp_path / (RECORD_NAME + suffix)
    content = compress(RECORDS)
    for length in [*range(40), *range(40, len(content), 9), len(content) - 1]:
        path.write_bytes(content[:length])
        for given in (tmp_path, path):
            _, report = stored(given)
            assert (report.added, report.num_rejected > 0) == (0, True), length


def test_the_end_between_two_members_is_an_end(tmp_path: Path) -> None:
    path = tmp_path / "tune.log.gz"
    path.write_bytes(gzip.compress(AUTOTVM) + b"\0" * 700)  # padding, as tapes and some tools leave it
    assert stored(path)[1].added == 6
    path.write_bytes(gzip.compress(AUTOTVM) + b"rubbish")
    assert stored(path)[1].added == 0
    report = stored(path, salvage=True)[1]
    assert (report.added, report.num_rejected) == (6, 1)
    assert "something else follows" in report.rejected[0].reason


def test_of_a_checksum_that_fails_nothing_can_be_told_good(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(AUTOTVM))
    content[-6] ^= 1  # of the checksum itself
    path = tmp_path / "tune.log.gz"
    path.write_bytes(bytes(content))
    _, report = stored(path, salvage=True)
    assert report.added == 0
    assert "nothing of it can be told good" in report.rejected[0].reason


def test_of_two_members_the_one_before_the_damage_is_salvaged(tmp_path: Path) -> None:
    content = bytearray(two_members(gzip.compress))
    content[-6] ^= 1
    path = tmp_path / "tune.log.gz"
    path.write_bytes(bytes(content))
    assert stored(path)[1].added == 0
    assert 0 < stored(path, salvage=True)[1].added < 6


def test_zstd_without_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "tune.log.zst"
    path.write_bytes(zstd_without_checksum(AUTOTVM))
    store, report = stored(path)
    assert (report.added, report.num_rejected) == (6, 0)
    assert [source.detail for source in store.sources()] == ['{"checksum":"none"}']
    path.write_bytes(zstd_without_checksum(AUTOTVM.replace(b'"result": [[', b'"result": [[[', 1)))
    store, report = stored(path)
    assert report.added == 0
    assert "line 1 is damaged" in report.rejected[0].reason
    assert stored(path, salvage=True)[1].added == 5
    path.write_bytes(zstd_with_checksum(AUTOTVM)[:-1])
    assert stored(path)[1].added == 0


def test_xz_without_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "tune.log.xz"
    path.write_bytes(lzma.compress(AUTOTVM, check=lzma.CHECK_NONE))
    store, report = stored(path)
    assert report.added == 6
    assert [source.detail for source in store.sources()] == ['{"checksum":"none"}']


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_tar_headers(form: str, tmp_path: Path) -> None:
    content = tar({"a.log": AUTOTVM, "b.log": AUTOTVM.replace(b"1024", b"1025"), "notes.txt": b"no log"})
    path = tmp_path / ("logs.tar" if form == "plain" else "logs.tar.gz")
    pack = gzip.compress if form == "gzip" else bytes
    path.write_bytes(pack(content))
    assert stored(path)[1].added >= 6
    header = content.index(b"b.log")
    for place in (0, 100, 124, 130, 148, 156, 257):
        changed = bytearray(content)
        changed[header + place] ^= 1
        path.write_bytes(pack(bytes(changed)))
        _, report = stored(path)
        assert (report.added, report.num_rejected) == (0, 1), place
        assert "damaged header" in report.rejected[0].reason
        store, report = stored(path, salvage=True)
        assert (report.added, report.num_rejected) == (6, 1)
        assert [source.detail for source in store.sources()] == ['{"salvaged":true}']


def test_tars_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "logs.tar"
    path.write_bytes(tar({"a.log": AUTOTVM}) + tar({RECORD_NAME: RECORDS, WORKLOAD_NAME: WORKLOADS}))
    assert stored(path)[1].added == 12
    path.write_bytes(tar({"a.log": AUTOTVM}).rstrip(b"\0"))
    assert "cut off" in stored(path)[1].rejected[0].reason


def test_records_of_a_damaged_workload_file_are_not_trials_of_unknown_workloads(tmp_path: Path) -> None:
    (tmp_path / RECORD_NAME).write_bytes(RECORDS)
    damaged = bytearray(gzip.compress(WORKLOADS))
    damaged[-5] ^= 1
    (tmp_path / f"{WORKLOAD_NAME}.gz").write_bytes(bytes(damaged))
    report = stored(tmp_path)[1]
    assert report.added == 0
    assert "its workload file cannot be read: nothing of it is stored" in [row.reason for row in report.rejected]
    assert stored(tmp_path, salvage=True)[1].added == 6


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.ingest.unpack._SMALL_BYTES", 1 << 20)
    path = tmp_path / "tune.log.bz2"
    path.write_bytes(bz2.compress(AUTOTVM + b"\n" * (64 << 20)))
    _, report = stored(path)
    assert report.added == 0
    assert "more than 1,000 times its size" in report.rejected[0].reason
    path = tmp_path / "logs.zip"
    path.write_bytes(zipped({"tune.log": AUTOTVM + b"\n" * (64 << 20)}, zipfile.ZIP_BZIP2))
    _, report = stored(path)
    assert (report.added, report.num_rejected) == (0, 1)
    assert "more than 1,000 times its size" in report.rejected[0].reason


def test_a_zip_whose_directory_was_zeroed(tmp_path: Path) -> None:
    content = bytearray(zipped(BOTH))
    content[-14:] = bytes(14)  # how many members, and where they stand
    (tmp_path / "logs.zip").write_bytes(bytes(content))
    for given in (tmp_path, tmp_path / "logs.zip"):
        report = stored(given)[1]
        assert (report.added, report.num_rejected) == (0, 1)
        assert "directory is empty" in report.rejected[0].reason
    (tmp_path / "logs.zip").write_bytes(zipped({}))
    assert stored(tmp_path)[1].skipped_files == 1


def test_an_encrypted_zip_and_archives_that_are_not_read(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.log": AUTOTVM}))
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(header) + (6 if header[2] == 3 else 8)] |= 1
    (tmp_path / "logs.zip").write_bytes(bytes(content))
    (tmp_path / "more.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    (tmp_path / "tune.log.gz").write_bytes(b"\x00" + gzip.compress(AUTOTVM)[1:])
    reasons = {Path(row.uri).name: row.reason for row in stored(tmp_path)[1].rejected}
    assert "encrypted" in reasons["logs.zip!a.log"]
    assert reasons["tune.log.gz"] == "it is neither text nor packed in a way that is known"
    assert [row.reason for row in stored(tmp_path)[1].skipped] == ["it is a 7z archive, which is not read"]
