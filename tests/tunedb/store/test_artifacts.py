"""The conformance suite of files that belong to a store: in memory, in a folder, in an object store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tunedb.errors import NotFoundError, StoreError, UsageError
from tunedb.store.artifacts import Artifacts, FolderArtifacts, MemoryArtifacts, artifacts_at


@pytest.fixture(params=["memory", "folder", "bucket"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "memory":
        return MemoryArtifacts()
    if request.param == "folder":
        return artifacts_at(str(tmp_path / "store"))
    bucket = request.getfixturevalue("bucket")
    return artifacts_at(bucket.url, bucket.options)


def test_what_was_written_is_read(artifacts: Artifacts) -> None:
    assert artifacts.names("models") == []
    artifacts.write("models/one/manifest.json", b"{}")
    artifacts.write("models/one/first/member-0.txt", b"tree\x00" * 100_000)
    artifacts.write("models/two/manifest.json", b"")
    artifacts.write("models-of-old/manifest.json", b"another folder")
    assert artifacts.names("models") == [
        "models/one/first/member-0.txt",
        "models/one/manifest.json",
        "models/two/manifest.json",
    ]
    assert artifacts.names("models/one/first") == ["models/one/first/member-0.txt"]
    assert artifacts.read("models/one/first/member-0.txt") == b"tree\x00" * 100_000
    assert artifacts.read("models/two/manifest.json") == b""
    assert artifacts.location("models/one").endswith("models/one")


def test_writing_again_replaces(artifacts: Artifacts) -> None:
    artifacts.write("promoted.json", b"a longer text")
    artifacts.write("promoted.json", b"short")
    assert artifacts.read("promoted.json") == b"short"


def test_deleting(artifacts: Artifacts) -> None:
    artifacts.write("models/one/manifest.json", b"{}")
    artifacts.delete("models/one/manifest.json")
    artifacts.delete("models/one/manifest.json")
    assert artifacts.names("models") == []
    with pytest.raises(NotFoundError, match="the store has no file"):
        artifacts.read("models/one/manifest.json")


@pytest.mark.parametrize("name", ["", "../secret", "models/../../x", "/etc/passwd", "models//x", ".hidden", "a b"])
def test_names_stay_inside(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        artifacts.write(name, b"")


def test_threads_share_it(artifacts: Artifacts) -> None:
    def write(number: int) -> None:
        artifacts.write(f"features/{number % 4}.parquet", b"%d" % (number % 4) * 10_000)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(32)))
    assert [artifacts.read(name) for name in artifacts.names("features")] == [b"%d" % n * 10_000 for n in range(4)]


def test_an_unfinished_file_is_not_there(tmp_path: Path) -> None:
    artifacts = FolderArtifacts(tmp_path)
    artifacts.write("models/one/manifest.json", b"{}")
    (tmp_path / "models" / "one" / ".0123.tmp").write_bytes(b"{")  # what a kill leaves
    assert artifacts.names("models") == ["models/one/manifest.json"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        FolderArtifacts(tmp_path).write("models/one/manifest.json", b"{}")
