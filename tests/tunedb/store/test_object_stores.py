"""A store in a bucket, on a local server that speaks S3."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Bucket
from tests.tunedb.logfiles import database, record_line
from tests.tunedb.samples import AROUND, TARGET, WORKLOAD, trial
from tests.tunedb.store.delta.test_concurrent_counts import interrupted_by
from tunedb import open_store
from tunedb.errors import NotFoundError, StoreError
from tunedb.store.delta.store import DeltaStore

_APPEND = """
import json, sys
from tests_samples import AROUND, MACHINE, SOURCE, TARGET, WORKLOAD, trial
from tunedb import open_store
url, options, first = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
with open_store(url, storage_options=options) as store:
    for number in range(first, first + 8):
        store.append([trial(number)], **AROUND)
"""


def test_history_and_care(bucket: Bucket) -> None:
    with open_store(bucket.url, storage_options=bucket.options) as store:
        for number in range(3):
            store.append([trial(number)], **AROUND)
        assert store.problems() == []
        assert store.sql("SELECT count(*) FROM trials").rows == [(3,)]
        assert [row.files_before for row in store.compact(timedelta(0)) if row.table == "trials"] == [3]
        assert store.problems() == []
        assert store.best(WORKLOAD.workload_id, TARGET.target_id) == [trial(0)]
        version = int(store.version())
    with pytest.raises(NotFoundError, match="no version"):
        open_store(bucket.url, as_of=version + 1, storage_options=bucket.options)
    with pytest.raises(NotFoundError, match="there is no store at"):
        open_store(f"{bucket.url}-2", create=False, storage_options=bucket.options)


def test_an_earlier_version(bucket: Bucket) -> None:
    with open_store(bucket.url, storage_options=bucket.options) as store:
        for number in range(3):
            store.append([trial(number)], **AROUND)
    assert open_store(bucket.url, as_of=2, storage_options=bucket.options).stats().num_trials == 2


def test_what_another_committed_first_is_not_claimed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        DeltaStore(bucket.url, storage_options=bucket.options) as first,
        DeltaStore(bucket.url, storage_options=bucket.options) as second,
    ):
        theirs = interrupted_by(second, [trial(0), trial(1)], monkeypatch)
        mine = first.append([trial(1), trial(2)], **AROUND)
        assert (theirs[0].added, mine.added, first.stats().num_trials) == (2, 1, 3)


def test_several_writers_lose_nothing(bucket: Bucket, tmp_path: Path) -> None:
    samples = Path(__file__).parents[1] / "samples.py"
    (tmp_path / "tests_samples.py").write_text(samples.read_text())
    program = tmp_path / "append.py"
    program.write_text(_APPEND)
    open_store(bucket.url, storage_options=bucket.options).close()
    arguments = [bucket.url, json.dumps(bucket.options)]
    writers = [
        subprocess.Popen([sys.executable, str(program), *arguments, str(first)], stderr=subprocess.PIPE)
        for first in (0, 8, 16)
    ]
    for writer in writers:
        _, complaint = writer.communicate(timeout=120)
        assert writer.returncode == 0, complaint.decode()
    with open_store(bucket.url, storage_options=bucket.options) as store:
        assert {row.trial_id for row in store.trials()} == {trial(number).trial_id for number in range(24)}


def test_the_command_takes_credentials_from_the_environment(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.options.items():
        monkeypatch.setenv(name, value)
    logs = database(tmp_path, [record_line(0), record_line(1)])
    for words in (["ingest", str(logs)], ["stats", "--json"]):
        command = [sys.executable, "-c", "from cli.main import main; main()", *words, "--store", bucket.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["trials"] == 2


def test_a_server_that_is_not_there(bucket: Bucket) -> None:
    nowhere = {**bucket.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "max_retries": "0", "timeout": "2s"}
    with pytest.raises(StoreError, match="cannot look for the table"):
        open_store(bucket.url, storage_options=nowhere)
