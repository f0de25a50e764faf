"""New files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunedb.errors import StoreError, UsageError
from tunedb.files import new_files, replace_file


def names(folder: Path) -> list[str]:
    return sorted(str(entry.relative_to(folder)) for entry in folder.rglob("*"))


def test_files_appear_together_when_all_are_whole(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "b" / name for name in ("one", "two")]
    with new_files(*paths) as new:
        for part in new.parts:
            part.write_text(part.name)
        assert not any(path.exists() for path in paths)
    assert names(tmp_path) == ["a", "a/b", "a/b/one", "a/b/two"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("odd")])
def test_an_error_leaves_neither_files_nor_folders(tmp_path: Path, error: BaseException) -> None:
    expected = StoreError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), new_files(tmp_path / "a" / "one") as new:
        new.parts[0].write_text("half")
        raise error
    assert names(tmp_path) == []


def test_a_file_that_was_not_written_takes_the_others_with_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"), new_files(tmp_path / "one", tmp_path / "two") as new:
        new.parts[0].write_text("whole")
    assert names(tmp_path) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with new_files(tmp_path / "kept" / "one") as new:
        new.are_wanted = False
    assert names(tmp_path) == ["kept"]


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    there = tmp_path / "two"
    there.write_text("precious")
    with pytest.raises(UsageError, match="two is there already"), new_files(tmp_path / "one", there):
        pass
    there.unlink()
    with pytest.raises(UsageError, match="two is there already"), new_files(tmp_path / "one", there) as new:
        for part in new.parts:
            part.write_text("new")
        there.write_text("another process was faster")
    assert names(tmp_path) == ["two"]
    assert there.read_text() == "another process was faster"


def test_a_link_to_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="link is there already"), new_files(tmp_path / "link"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"), new_files(tmp_path / "file" / "one"):
        pass


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for content in (b"one", b"two"):
        replace_file(path, content)
        assert path.read_bytes() == content
    with pytest.raises(StoreError, match=r"cannot write .*deeper: "):
        replace_file(path / "deeper", b"three")
    (tmp_path / "new" / "folder").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*folder: "):
        replace_file(tmp_path / "new" / "folder", b"three")
    assert sorted(one.name for one in (tmp_path / "new").iterdir()) == ["file", "folder"]
    assert path.read_bytes() == b"two"
