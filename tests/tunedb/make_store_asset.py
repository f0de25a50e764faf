"""Makes the small store that is kept for each schema version: `python -m tests.tunedb.make_store_asset`.

Run it once when a schema version is new, and commit what it made. Older versions' stores are never made again.
"""

from __future__ import annotations

from pathlib import Path

from tests.tunedb.samples import MACHINE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial
from tunedb import open_store
from tunedb.records import Rejected
from tunedb.store.schema import SCHEMA_VERSION

STORES = Path(__file__).parent / "assets" / "stores"

if __name__ == "__main__":
    folder = STORES / f"v{SCHEMA_VERSION}"
    if folder.exists():
        raise SystemExit(f"{folder} is there already, and stays as it is")
    with open_store(folder) as store:
        store.append(
            [trial(0), trial(1), failed(2), trial(3, target_id=OTHER_TARGET.target_id)],
            workloads=[WORKLOAD],
            targets=[TARGET, OTHER_TARGET],
            hardware=[MACHINE],
            sources=[SOURCE],
            rejected=[Rejected("logs/bad.json", 3, "not JSON", b"{")],
        )
    for commit in folder.rglob("*.json"):  # Delta Lake notes where a table was made; that is nobody's business
        commit.write_text(commit.read_text().replace(folder.absolute().as_uri(), "file:///store"))
