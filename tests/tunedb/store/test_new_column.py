"""Adding a column to the trials, as CONTRIBUTING says: two files of tunedb, besides whoever fills it.

A copy of the package is changed in these two files only. It must read its own stores, bring those of this version
along, and show the column in SQL and streams.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.tunedb.samples import AROUND, failed, trial
from tunedb import open_store
from tunedb.store.schema import SCHEMA_VERSION

ROOT = Path(__file__).parents[3]
ADDED = (
    ("tunedb/records.py", "    conditions: str = DEFAULT_CONDITIONS", "    energy_joules: float | None = None"),
    ("tunedb/store/schema.py", "    conditions: str = DEFAULT_CONDITIONS", "    energy_joules: float | None = None"),
)
PROGRAM = """
import dataclasses, sys
sys.path.insert(0, sys.argv[1])
import tunedb
from tunedb.errors import StoreSchemaError
from tunedb.maintenance.migrate import migrate
from tunedb.maintenance.verify import verify
assert tunedb.__file__.startswith(sys.argv[1])
try:
    tunedb.open_store(sys.argv[2], create=False)
except StoreSchemaError as error:
    assert "tunedb migrate" in str(error)
else:
    raise AssertionError("an older store was opened")
migrate(sys.argv[2])
with tunedb.open_store(sys.argv[2], create=False) as store:
    old = list(store.trials())
    assert len(old) == 3 and {trial.energy_joules for trial in old} == {None}
    best = store.best(old[0].workload_id)[0]
    store.append([dataclasses.replace(best, trial_id="f" * 32, energy_joules=0.5)])
    assert store.trial("f" * 32).energy_joules == 0.5
    assert store.sql("SELECT max(energy_joules), count(*) FROM trials").rows == [(0.5, 4)]
    with store.table("trials") as reader:
        assert reader.read_all().column("energy_joules").to_pylist().count(None) == 3
    assert store.problems() == []
print("ok")
"""


def test_a_column_of_trials_is_a_field_in_two_files(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.append([trial(0), trial(1), failed(2)], **AROUND)
    shutil.copytree(ROOT / "tunedb", tmp_path / "code" / "tunedb", ignore=shutil.ignore_patterns("__pycache__"))
    for name, after, line in ADDED:
        file = tmp_path / "code" / name
        before, found, rest = file.read_text().partition(after)
        assert found
        ending, _, rest = rest.partition("\n")
        file.write_text(f"{before}{found}{ending}\n{line}\n{rest}")
    schema = tmp_path / "code" / "tunedb/store/schema.py"
    version = f"SCHEMA_VERSION = {SCHEMA_VERSION}\n"
    assert version in schema.read_text()
    schema.write_text(schema.read_text().replace(version, f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}\n"))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(tmp_path / "code"), str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr
