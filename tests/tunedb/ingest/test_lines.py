"""Logs in every encoding, with every kind of line end, and with blank lines: the same trials."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tunedb.ingest.packing import tar, zipped
from tests.tunedb.logfiles import RECORD_NAME, WORKLOAD_NAME, ansor, autotvm, record_line, workload_line
from tunedb.ingest.pipeline import ingest
from tunedb.records import Trial
from tunedb.store.memory import MemoryStore

RECORDS = "".join(record_line(number, index=number % 2).decode() + "\n" for number in range(4))
WORKLOADS = "".join(workload_line(structural_hash=str(number)).decode() + "\n" for number in (11, 12))
LEGACY = "".join(f"{line}\n" for line in (autotvm(), autotvm(2e-4)))
ENCODINGS = [
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "big with mark",
]  # fmt: skip


def encoded(text: str, encoding: str) -> bytes:
    return b"\xfe\xff" + text.encode("utf-16-be") if encoding == "big with mark" else text.encode(encoding)


def trials(files: dict[str, bytes], folder: Path, packing: str = "folder") -> dict[str, Trial]:
    store = MemoryStore()
    folder.mkdir()
    if packing == "tar":
        (folder / "logs.tar").write_bytes(tar(files))
    elif packing == "zip":
        (folder / "logs.zip").write_bytes(zipped(files))
    else:
        for name, content in files.items():
            path = folder / (f"{name}.gz" if packing == "gzip" else name)
            path.write_bytes(gzip.compress(content) if packing == "gzip" else content)
    report = ingest(store, [folder])
    assert report.num_rejected == 0, report.rejected
    return {trial.trial_id: trial for trial in store.trials()}


@pytest.mark.parametrize("packing", ["folder", "gzip", "tar", "zip"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(encoding: str, packing: str, tmp_path: Path) -> None:
    texts = {RECORD_NAME: RECORDS, WORKLOAD_NAME: WORKLOADS, "tune.log": LEGACY, "ansor.json": ansor() + "\n"}
    plain = trials({name: text.encode() for name, text in texts.items()}, tmp_path / "plain")
    assert len(plain) == 7
    read = trials({name: encoded(text, encoding) for name, text in texts.items()}, tmp_path / "read", packing)
    assert read.keys() == plain.keys()


def test_a_stream_in_utf_16() -> None:
    store = MemoryStore()
    assert ingest(store, [io.BytesIO(LEGACY.encode("utf-16"))]).added == 2
    assert ingest(store, [io.BytesIO(gzip.compress(LEGACY.encode("utf-16")))]).added == 0


CHANGES: dict[str, Callable[[str], str]] = {
    "a blank last line": lambda text: text + "\n",
    "many blank last lines": lambda text: text + "\n \n\t\n\r\n",
    "no last line end": lambda text: text.rstrip("\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CRLF doubled": lambda text: text.replace("\n", "\r\n\r\n"),
    "blank lines between": lambda text: text.replace("\n", "\n\n"),
    "a blank first line": lambda text: "\n" + text,
    "trailing white space": lambda text: text.replace("\n", " \t\n"),
    "leading white space": lambda text: " " + text.replace("\n", "\n  "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_white_space_is_no_fault_in_any_format(change: str, tmp_path: Path) -> None:
    texts = {RECORD_NAME: RECORDS, WORKLOAD_NAME: WORKLOADS, "tune.log": LEGACY, "ansor.json": ansor() + "\n"}
    plain = trials({name: text.encode() for name, text in texts.items()}, tmp_path / "plain")
    for changed in ([RECORD_NAME], [WORKLOAD_NAME], list(texts)):
        files = {name: (CHANGES[change](text) if name in changed else text).encode() for name, text in texts.items()}
        found = trials(files, tmp_path / f"{len(changed)} changed, {changed[0]}")
        assert found.keys() == plain.keys()


def test_a_line_that_was_made_blank_keeps_its_place(tmp_path: Path) -> None:
    files = {RECORD_NAME: RECORDS.encode(), WORKLOAD_NAME: b"\n" + WORKLOADS.splitlines()[1].encode() + b"\n"}
    found = trials(files, tmp_path / "a").values()
    assert sorted(bool(trial.module_id) for trial in found) == [False, False, True, True]
    assert {trial.position % 2 for trial in found if trial.module_id} == {1}


def test_logs_without_workload_file_are_told_apart_below_a_blank_line(tmp_path: Path) -> None:
    store = MemoryStore()
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD_NAME).write_bytes(b"\n" + record_line(number) + b"\n")
    ingest(store, [tmp_path])
    assert len(store.workloads()) == 2
