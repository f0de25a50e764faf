"""What is done to a store while its process is killed or its disk fills. Each piece of work says what is safe by now.

    LD_PRELOAD=shim.so python -m tests.faults.victim

The process imports everything, opens no store, and forks a child for each request (a line of JSON on stdin), whose
file-system calls `shim.c` counts and breaks. So a victim costs milliseconds. A store does not survive a fork; nothing
of the libraries runs before it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake  # noqa: F401 - what opening a store would import
import duckdb  # noqa: F401
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

from tests.tunedb.samples import AROUND, trial
from tunedb import Store, open_store
from tunedb.errors import TunedbError
from tunedb.ingest import pipeline
from tunedb.maintenance.merge import merge
from tunedb.maintenance.migrate import migrate
from tunedb.maintenance.relabel import relabel
from tunedb.maintenance.remove import remove
from tunedb.maintenance.repair import repair
from tunedb.maintenance.restore import restore
from tunedb.store.delta.store import DeltaStore  # noqa: F401

Acknowledge = Callable[[Iterable[str]], None]
_LONGEST_SECS = 60.0


def append(url: str, acknowledge: Acknowledge) -> None:
    """Four batches of four trials."""
    with open_store(url) as store:
        for first in range(1000, 1016, 4):
            batch = [trial(number) for number in range(first, first + 4)]
            store.append(batch, **AROUND)
            acknowledge(row.trial_id for row in batch)


def ingest(url: str, acknowledge: Acknowledge) -> None:
    """A folder of logs beside the store, in small batches."""
    pipeline._BATCH_ROWS = 4
    with open_store(url) as store:
        _say_appends(store, acknowledge)
        pipeline.ingest(store, [f"{url}-logs"])


def merge_other(url: str, acknowledge: Acknowledge) -> None:
    """Another store beside the store."""
    with open_store(url) as store, open_store(f"{url}-other", create=False) as other:
        _say_appends(store, acknowledge)
        merge(store, other)


def compact(url: str, acknowledge: Acknowledge) -> None:
    """All files of all tables; nothing older is kept."""
    with open_store(url, create=False) as store:
        store.compact(timedelta(0))


def migrate_old(url: str, acknowledge: Acknowledge) -> None:
    """A store of the first schema version."""
    migrate(url)


def repair_damaged(url: str, acknowledge: Acknowledge) -> None:
    """A store of which a file is broken."""
    repair(url)


def remove_source(url: str, acknowledge: Acknowledge) -> None:
    """One of two sources, which have some trials in common."""
    for source in _sources(url, "a.json"):  # none, when it is done already
        remove(url, source)


def relabel_machine(url: str, acknowledge: Acknowledge) -> None:
    """The machine of one source."""
    for source in _sources(url, "a.json"):
        relabel(url, "another machine", source=source)


def restore_earlier(url: str, acknowledge: Acknowledge) -> None:
    """The store as it was some commits ago."""
    restore(url, 3)


WORK: dict[str, Callable[[str, Acknowledge], None]] = {
    "append": append,
    "ingest": ingest,
    "merge": merge_other,
    "compact": compact,
    "migrate": migrate_old,
    "repair": repair_damaged,
    "remove": remove_source,
    "relabel": relabel_machine,
    "restore": restore_earlier,
}


def _sources(url: str, name: str) -> list[str]:
    with open_store(url, create=False) as store:
        return [source.source_id for source in store.sources() if source.uri.endswith(name)]


def _say_appends(store: Store, acknowledge: Acknowledge) -> None:
    real = store.append_batch

    def append_batch(batch: Any) -> Any:
        report = real(batch)
        acknowledge(batch.trials.column("trial_id"))
        return report

    store.append_batch = append_batch  # type: ignore[method-assign]


def _work(shim: ctypes.CDLL, request: dict[str, Any], out: int) -> None:
    """In the child: works, and writes lines to a pipe: ids that are safe, and at the end what became of it."""

    def say(*words: str) -> None:
        os.write(out, (" ".join(words) + "\n").encode())

    shim.faults_arm(request["mode"], ctypes.c_long(request["at"]))
    try:
        WORK[request["work"]](request["url"], lambda ids: say("safe", *ids))
    except TunedbError as error:
        shim.faults_disarm()
        say("failed", type(error).__name__, json.dumps(str(error)))
    except BaseException as error:
        shim.faults_disarm()
        say("raised", type(error).__name__, json.dumps(str(error)))
    else:
        shim.faults_disarm()
        say("done", str(shim.faults_events()), str(shim.faults_bytes()))


def _reply(shim: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    incoming, out = os.pipe()
    with Path(request["stderr"]).open("wb") as stderr:
        child = os.fork()
        if child == 0:
            os.close(incoming)
            os.dup2(stderr.fileno(), 2)
            _work(shim, request, out)
            os._exit(0)
        os.close(out)
    said, until = b"", time.monotonic() + _LONGEST_SECS
    while select.select([incoming], [], [], max(until - time.monotonic(), 0))[0]:
        piece = os.read(incoming, 1 << 16)
        if not piece:
            break
        said += piece
    else:
        os.kill(child, signal.SIGKILL)
        said += b"raised hang\n"
    os.close(incoming)
    _, status = os.waitpid(child, 0)
    lines = [line.split() for line in said[: said.rfind(b"\n") + 1].decode().splitlines()]
    return {"lines": lines, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


def main() -> None:
    shim = ctypes.CDLL(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_reply(shim, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
