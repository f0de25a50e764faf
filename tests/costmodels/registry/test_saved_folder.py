"""A model in a folder by itself: compressed, and refused when that is not what it seems."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from costmodels.registry import saved
from costmodels.registry.saved import read_folder, write_folder
from costmodels.shipped import FOLDER, MODEL
from tunedb.errors import ModelError


def test_a_folder_is_written_compressed_and_read_as_it_was(tmp_path: Path) -> None:
    manifest, files = read_folder(FOLDER / MODEL)
    write_folder(tmp_path, manifest, files)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"manifest.json", *(f"{name}.gz" for name in files)}
    assert read_folder(tmp_path) == (manifest, files)
    again = tmp_path / "again"
    write_folder(again, manifest, files)
    assert all((again / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"no gzip", "is the file whole"), (b"", "cut off"), (zlib.compress(b"7" * 99, wbits=31)[:-9], "cut off")],
)
def test_files_that_cannot_be_unpacked_are_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    manifest, files = read_folder(FOLDER / MODEL)
    write_folder(tmp_path, manifest, files)
    damaged = tmp_path / f"{min(files)}.gz"
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match=complaint) as caught:
        read_folder(tmp_path)
    assert str(damaged) in str(caught.value)


def test_what_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, files = read_folder(FOLDER / MODEL)
    write_folder(tmp_path, manifest, files)
    monkeypatch.setattr(saved, "_MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="larger than"):
        read_folder(tmp_path)
