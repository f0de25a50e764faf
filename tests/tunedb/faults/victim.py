"""A process that writes into a store and says what is safe, to be killed at any moment.

    python -m tests.tunedb.faults.victim append|ingest STORE ARGUMENT

It says that it is ready and waits for a line on stdin: its start-up is over when the clock starts. After each batch
whose append has returned it prints the ids of the batch's trials.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

from tests.tunedb.samples import AROUND, trial
from tunedb import open_store
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named


def append(url: str, first: int) -> None:
    """Appends batches of four trials without end."""
    with open_store(url) as store:
        for number in itertools.count(first, 4):
            batch = [trial(position) for position in range(number, number + 4)]
            store.append(batch, **AROUND)
            print(*(row.trial_id for row in batch), flush=True)  # noqa: T201


def ingest_logs(url: str, logs: str, machine: str) -> None:
    """Ingests a folder in small batches."""
    import tunedb.ingest.pipeline as module

    module._BATCH_ROWS = 32
    with open_store(url) as store:
        real = store.append_batch

        def append_batch(batch: Any) -> Any:
            report = real(batch)
            print(*batch.trials.column("trial_id"), flush=True)  # noqa: T201
            return report

        store.append_batch = append_batch  # type: ignore[method-assign]
        ingest(store, [logs], hardware=hardware_named(machine))


def main() -> None:
    """Waits, then writes."""
    what, url, *rest = sys.argv[1:]
    import deltalake  # noqa: F401 - what opening a store would import
    import duckdb  # noqa: F401

    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    if what == "append":
        append(url, int(rest[0]))
    else:
        ingest_logs(url, *rest)


if __name__ == "__main__":
    main()
