"""A store at any path that the file system allows."""

from __future__ import annotations

import os
import shutil
import string
import tarfile
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tunedb.maintenance.damage import good, problems
from tests.tunedb.samples import AROUND, TARGET, WORKLOAD
from tunedb import open_store
from tunedb.errors import NotFoundError
from tunedb.maintenance.merge import merge
from tunedb.maintenance.migrate import migrate
from tunedb.maintenance.repair import repair
from tunedb.store.delta.paths import is_plain, literal
from tunedb.store.locations import is_url, located

_ODD = [
    "good one", " ", "%20", "a%41b", "#?*[x]", "{trials}{}", "\\a\"'b ", "\n", "\t\x01\x7f", "workload_id=1", "memory:",
    "~root", "--store", "漢e\u0301\u200b", "^|<>:;&$`", os.fsdecode(b"caf\xe9"), "x" * 255,
]  # fmt: skip
_OLD_STORES = Path(__file__).parents[1] / "assets" / "stores"
_NAMES = st.one_of(
    st.text(alphabet=string.punctuation.replace("/", "") + " \t\né漢😀aA0", min_size=1, max_size=12),
    st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.binary(min_size=1, max_size=12).map(
        lambda name: os.fsdecode(name.replace(b"/", b"").replace(b"\0", b"") or b"x")
    ),
).filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200)


def _goes_through_its_life(root: Path, name: str) -> None:
    folder = root / name
    with open_store(folder) as store:
        store.append([good(0), good(1)], **AROUND)
        store.artifacts.write("models/one.txt", b"content")
    with open_store(folder, create=False) as store:
        first = store.version()
        store.append([good(2)])
        assert store.best(WORKLOAD.workload_id, TARGET.target_id)[0].trial_id == good(0).trial_id
        assert store.sql("SELECT count(*) FROM trials").rows == [(3,)]
        with store.flat_trials() as stream:
            assert stream.read_all().num_rows == 3
        assert store.artifacts.read("models/one.txt") == b"content"
    with open_store(folder, as_of=first) as past:
        assert past.stats().num_trials == 2
    assert problems(folder) == []
    assert repair(folder) == []
    with open_store(folder, create=False) as store:
        done = {row.table: row for row in store.compact(timedelta(0))}
        assert done["trials"].files_after == 1
        assert (folder / "trials" / "_delta_log" / "_last_checkpoint").exists()
    with open_store(folder, create=False) as store, open_store(root / f"into{name[:100]}") as into:
        assert len(list(store.trials())) == 3
        assert merge(into, store).added == 3
    renamed = root / f"renamed{name[:100]}"
    folder.rename(renamed)
    with open_store(renamed, create=False) as store:
        assert {row.trial_id for row in store.trials()} == {good(number).trial_id for number in range(3)}
    assert problems(renamed) == []


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if place % 4 == 2 else pytest.mark.slow) for place, name in enumerate(_ODD)],
    ids=ascii,
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    _goes_through_its_life(tmp_path, name)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(_NAMES)
@example(" #%?[]{}\"'\\\n")
def test_generated_names(name: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        _goes_through_its_life(Path(root), name)


def test_a_store_in_odd_folders_is_the_store_of_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that libraries would take for each other are not."""
    for number, name in enumerate(["a b", "a%20b", "a%2520b", "a+b"]):
        with open_store(tmp_path / name) as store:
            store.append([good(number)], **AROUND)
    for number, name in enumerate(["a b", "a%20b", "a%2520b", "a+b"]):
        with open_store(tmp_path / name) as store:
            assert [row.trial_id for row in store.trials()] == [good(number).trial_id]
    monkeypatch.chdir(tmp_path)
    for relative in ("./a%20b", "a%20b", f"../{tmp_path.name}/a%20b", f"file://{tmp_path}/a%2520b"):
        with open_store(relative, create=False) as store:
            assert [row.trial_id for row in store.trials()] == [good(1).trial_id]


def test_home_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "my [home] 100%"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with open_store("~/store") as store:
        store.append([good(0)], **AROUND)
    assert (home / "store" / "trials").is_dir()


def test_a_hundred_commits_are_summed_up_in_an_odd_folder(tmp_path: Path) -> None:
    with open_store(tmp_path / "a%20[b]") as store:
        for number in range(102):
            store.append([good(number)], **AROUND)
        assert len(list(store.trials())) == 102
    assert list((tmp_path / "a%20[b]" / "trials" / "_delta_log").glob("*.checkpoint.parquet"))


def test_a_store_by_way_of_a_link(tmp_path: Path) -> None:
    with open_store(tmp_path / "a%20b") as store:
        store.append([good(0)], **AROUND)
    (tmp_path / "link").symlink_to(tmp_path / "a%20b")
    with open_store(tmp_path / "link", create=False) as store:
        store.append([good(1)])
    shutil.move(tmp_path / "a%20b", tmp_path / "plain")
    with open_store(tmp_path / "plain", create=False) as store:
        assert len(list(store.trials())) == 2


@pytest.mark.parametrize("text", ["s3://bucket/store", "S3A://bucket", "abfss://a@b/c", "gs://b"])
def test_urls_are_urls(text: str) -> None:
    assert is_url(text)
    assert located(text) == text


@pytest.mark.parametrize("text", ["./s3://bucket", "/a://b", "a/s3://b", "s3:/bucket", "://x", "3://x"])
def test_paths_that_look_like_urls_are_paths(text: str) -> None:
    assert not is_url(text)
    assert located(text).startswith("/")


def test_what_libraries_take_literally() -> None:
    assert is_plain("/home/me/my store/ümläut")
    for name in ("a=b", "a%20b", "[", "*", "?", "\\", "{", "'", '"', "#", "\n", "\udce9", ":"):
        assert not is_plain(f"/home/{name}")


def test_a_link_stands_for_its_folder(tmp_path: Path) -> None:
    assert literal(str(tmp_path / "plain")) == os.path.realpath(tmp_path / "plain")
    odd = tmp_path / "[odd]"
    odd.mkdir()
    assert Path(literal(str(odd))).samefile(odd)
    assert literal(str(odd)) == literal(str(odd))


@pytest.mark.parametrize("old", [pytest.param("v1", marks=pytest.mark.slow), "v2"])
def test_an_old_store_is_migrated_in_an_odd_folder(tmp_path: Path, old: str) -> None:
    folder = tmp_path / "a%20[b]\n"
    with tarfile.open(_OLD_STORES / f"{old}.tar.xz") as archive:
        archive.extractall(tmp_path / "old", filter="data")
    (log,) = (tmp_path / "old").rglob("trials/_delta_log")
    log.parents[1].rename(folder)
    migrate(folder)
    assert problems(folder) == []
    with open_store(folder, create=False) as store:
        assert store.stats().num_trials > 0


@pytest.mark.parametrize("url", ["http://[", "s3://", "x://y"])
def test_a_url_that_leads_nowhere_is_no_store(url: str) -> None:
    with pytest.raises(NotFoundError, match="there is no store"):
        open_store(url, create=False)
