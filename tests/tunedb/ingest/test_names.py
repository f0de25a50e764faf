"""Names of files are kept, whatever bytes they are, and can be printed everywhere."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tunedb.ingest.packing import zipped
from tests.tunedb.logfiles import ansor
from tunedb import open_store
from tunedb.ingest.names import original, written
from tunedb.ingest.pipeline import ingest

ODD = ["调优.json".encode("gbk"), b"caf\xe9.json", b"a\nb.json", b"a\x1b[31mb.json", b"a\\xb5.json", b"\xff\xfe.json"]


@given(st.binary(max_size=20))
@example(b"\\xb5")
@example(b"\\\xb5")
@example(b"\\\\x5cx")
def test_every_name_comes_back(name: bytes) -> None:
    text = written(os.fsdecode(name))
    assert os.fsencode(original(text)) == name
    assert text.isprintable() or "\n" not in text
    text.encode()  # it can be stored


@given(st.lists(st.binary(max_size=6), min_size=2, max_size=2, unique=True))
def test_two_names_stay_two(names: list[bytes]) -> None:
    first, second = (written(os.fsdecode(name)) for name in names)
    assert first != second


def test_plain_names_stay_as_they_are() -> None:
    for name in ("logs/a b.json", "логи/ü.json", "C:\\logs\\x.json", "#?%[]{}\"'.json"):
        assert written(name) == name


@pytest.mark.parametrize("packing", ["folder", "tar", "zip", "alone"])
def test_odd_names_are_read_and_kept(packing: str, tmp_path: Path) -> None:
    content = {name: (ansor(key=f'["layer", {number}]') + "\n").encode() for number, name in enumerate(ODD)}
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, text in content.items():
        (logs / os.fsdecode(name)).write_bytes(text)
    paths = [logs]
    if packing == "tar":
        with tarfile.open(tmp_path / "logs.tar", "w") as archive:
            archive.add(logs, "logs")
        paths = [tmp_path / "logs.tar"]
    elif packing == "zip":
        marks = {f"name{number}.json": text for number, text in enumerate(content.values())}
        packed = zipped(marks)
        for number, name in enumerate(ODD):  # as tools write them that do not say which encoding it is
            packed = packed.replace(f"name{number}.json".encode(), name[:10].ljust(10, b"_"))
        (tmp_path / "logs.zip").write_bytes(packed)
        paths = [tmp_path / "logs.zip"]
    elif packing == "alone":
        paths = sorted(logs.iterdir())
    with open_store(tmp_path / "store") as store:
        report = ingest(store, paths)
        assert (report.added, report.num_rejected) == (len(ODD), 0)
        uris = [source.uri for source in store.sources()]
        assert len(set(uris)) == len(ODD)
        if packing in ("folder", "alone"):
            assert {os.fsencode(original(uri)) for uri in uris} == {os.fsencode(path) for path in logs.iterdir()}
        assert ingest(store, paths).added == 0
        assert all("\n" not in uri and "\x1b" not in uri for uri in uris)


def test_what_is_rejected_may_have_an_odd_name_too(tmp_path: Path) -> None:
    for name in ODD:
        (tmp_path / os.fsdecode(b"x" + name)).write_bytes(b"\0\1\2")
    with open_store("memory:") as store:
        report = ingest(store, [tmp_path, tmp_path / os.fsdecode(b"none\xff"), io.BytesIO(b"")])
        assert report.num_rejected == len(ODD) + 2
        assert len(list(store.rejected())) == report.num_rejected
