"""What only the store on disk can get wrong: processes, kills, foreign folders, other versions."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import deltalake
import pytest

from tests.tunedb import samples
from tests.tunedb.logfiles import permissions_hold
from tests.tunedb.samples import AROUND, TARGET, WORKLOAD, trial
from tunedb import open_store
from tunedb.errors import NotFoundError, StoreError, StoreSchemaError
from tunedb.records import Trial
from tunedb.store.batch import TrialColumns, TrialRows
from tunedb.store.delta.store import DeltaStore


def _append(store: object, trials: list[Trial]) -> None:
    store.append(trials, **AROUND)  # type: ignore[attr-defined]


def test_a_store_is_opened_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        _append(store, [trial(0), trial(1)])
        version = store.version()
    with open_store(tmp_path / "s", create=False) as again:
        assert list(again.trials()) == [trial(0), trial(1)]
        assert again.version() == version


def test_no_store_is_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_store(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(StoreError, match="not empty"):
        open_store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    file = tmp_path / "thesis.txt"
    with pytest.raises(StoreError):
        open_store(file)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "s").close()
    table = deltalake.DeltaTable(tmp_path / "s" / "trials")
    table.alter.set_table_description("tunedb schema 99")
    with pytest.raises(StoreSchemaError, match="99"):
        open_store(tmp_path / "s")
    table.alter.set_table_description("somebody's sales")
    with pytest.raises(StoreSchemaError, match="not one of tunedb's"):
        open_store(tmp_path / "s")


def test_a_store_half_made_is_finished(tmp_path: Path) -> None:
    open_store(tmp_path / "s").close()
    import shutil

    shutil.rmtree(tmp_path / "s" / "trials")
    shutil.rmtree(tmp_path / "s" / "sources")
    with open_store(tmp_path / "s") as store:
        _append(store, [trial(0)])
        assert store.problems() == []


def test_readers_see_what_others_append(tmp_path: Path) -> None:
    writer, reader = open_store(tmp_path / "s"), open_store(tmp_path / "s")
    assert reader.stats().num_trials == 0
    _append(writer, [trial(0)])
    assert reader.best(WORKLOAD.workload_id, TARGET.target_id) == [trial(0)]
    _append(reader, [trial(0), trial(1)])
    assert writer.stats().num_trials == 2


def test_rows_that_stand_twice_count_once(tmp_path: Path) -> None:
    store = DeltaStore(str(tmp_path / "s"))
    _append(store, [trial(0), samples.failed(1)])
    rows = TrialColumns.of(TrialRows.of([trial(0), samples.failed(1)]))
    store._tables["trials"].append(rows.columns())  # as a kill between commit and answer leaves it
    assert store.stats().num_trials == 2
    assert store.stats().num_failed == 1
    assert len(list(store.trials())) == 2
    assert store.best(WORKLOAD.workload_id, TARGET.target_id, 9) == [trial(0)]
    assert store.workloads()[0].num_trials == 2
    assert store.target_summaries()[0].num_trials == 2
    assert sum(row.num_trials for row in store.trial_groups()) == 2


def test_problems_are_found(tmp_path: Path) -> None:
    store = DeltaStore(str(tmp_path / "s"))
    _append(store, [trial(0)])
    assert store.problems() == []
    lost = TrialColumns.of(TrialRows.of([trial(1, target_id="nowhere")]))
    store._tables["trials"].append(lost.columns())
    assert store.problems() == ["1 trials refer to a target_id that is not there, such as nowhere"]
    for file in store._tables["workloads"].files():
        Path(file).unlink()
    assert len(open_store(tmp_path / "s").problems()) == 1


def test_many_small_appends_stay_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunedb.store.delta.compaction.MANY_FILES", 8)
    store, other = DeltaStore(str(tmp_path / "s")), DeltaStore(str(tmp_path / "s"))
    reading = other.trials()
    _append(store, [trial(0)])
    assert next(reading) == trial(0)
    for number in range(1, 30):
        _append(store if number % 3 else other, [trial(number), trial(number - 1)])
    assert len(store._tables["trials"].files()) <= 9
    assert list(store.trials()) == list(other.trials()) == [trial(number) for number in range(30)]
    assert store.problems() == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    if not permissions_hold(tmp_path):
        pytest.skip("this user writes everywhere")
    store = open_store(tmp_path / "s")
    _append(store, [trial(0)])
    for folder in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o555)
    with pytest.raises(StoreError, match="cannot write"):
        _append(store, [trial(1)])
    assert list(store.trials()) == [trial(0)]


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    """A quota on file size stands in for a full disk: the kernel refuses the write in either case."""
    open_store(tmp_path / "s").close()
    program = """
        import resource, signal, sys
        from tunedb import open_store
        from tunedb.errors import StoreError
        from tests.tunedb import samples
        store = open_store(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
        try:
            store.append([samples.trial(0)], workloads=[samples.WORKLOAD], targets=[samples.TARGET],
                         hardware=[samples.MACHINE], sources=[samples.SOURCE])
        except StoreError as error:
            print("StoreError", error)
    """
    done = _run(program, str(tmp_path / "s"))
    assert done.stdout.startswith("StoreError cannot write"), done.stdout + done.stderr
    with open_store(tmp_path / "s") as store:
        assert store.stats().num_trials == 0
        assert store.problems() == []
        _append(store, [trial(0)])


def _write_many(url: str, writer: int) -> None:
    with open_store(url) as store:
        for batch in range(5):
            first = writer * 100 + batch * 10
            own = [trial(number) for number in range(first, first + 4)]
            shared = [trial(10_000 + batch)]  # what every writer appends
            _append(store, own + shared)


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(tmp_path / "s"), number)) for number in range(3)]
    for process in writers:  # they make the store at the same time, too
        process.start()
    for process in writers:
        process.join(120)
        assert process.exitcode == 0
    with open_store(tmp_path / "s", create=False) as store:
        trials = list(store.trials())
        assert len(trials) == len({row.trial_id for row in trials}) == 3 * 5 * 4 + 5
        assert store.stats().num_trials == 65
        assert store.problems() == []


def test_a_kill_loses_no_acknowledged_trial(tmp_path: Path) -> None:
    program = """
        import itertools, sys
        from tunedb import open_store
        from tests.tunedb import samples
        store = open_store(sys.argv[1])
        for number in itertools.count(int(sys.argv[2])):
            store.append([samples.trial(number)], workloads=[samples.WORKLOAD], targets=[samples.TARGET],
                         hardware=[samples.MACHINE], sources=[samples.SOURCE])
            print(number, flush=True)
    """
    url, acknowledged = str(tmp_path / "s"), -1
    for round_number in range(3):
        with _start(program, url, str(acknowledged + 1)) as child:
            assert child.stdout is not None
            for line in child.stdout:
                acknowledged = int(line)
                if acknowledged % 8 == 7:
                    time.sleep(0.003 * round_number)
                    child.send_signal(signal.SIGKILL)
                    break
            acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
        with open_store(url, create=False) as store:
            numbers = {row.position for row in store.trials()}
            assert set(range(acknowledged + 1)) <= numbers <= set(range(acknowledged + 2))
            assert store.stats().num_trials == len(numbers)
            assert store.problems() == []


def _start(program: str, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *args]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _run(program: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *args]
    return subprocess.run(command, cwd=Path(__file__).parents[4], capture_output=True, text=True, timeout=120)


def test_importing_tunedb_is_cheap() -> None:
    program = """
        import sys, tunedb
        heavy = {"tvm", "duckdb", "pyarrow", "deltalake", "numpy", "lightgbm"} & set(sys.modules)
        print(sorted(heavy))
    """
    assert _run(program).stdout.strip() == "[]"


def test_a_store_at_a_url_is_read_by_way_of_delta_lake(tmp_path: Path) -> None:
    with open_store((tmp_path / "store").as_uri()) as store:
        around = AROUND
        assert store.append([trial(0), trial(1)], **around).added == 2
        assert store.append([trial(1), trial(2)]).added == 1
        assert [row.trial_id for row in store.trials()] == [trial(number).trial_id for number in range(3)]
        assert store.best(WORKLOAD.workload_id, TARGET.target_id)[0] == trial(0)
        assert store.stats().num_trials == 3
        assert store.problems() == []
    with open_store(tmp_path / "store", create=False) as store:
        assert len(list(store.trials())) == 3
