"""Twenty thousand mutated log lines: each is stored or rejected, and nothing is raised."""

from __future__ import annotations

import copy
import functools
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tunedb.faults.test_kills import KILLS
from tests.tunedb.logfiles import ansor, autotvm, autotvm_first_form, record_line, workload_line
from tunedb.errors import BadInputError
from tunedb.ingest.chunks import Chunk, ChunkParser, RecordFile
from tunedb.ingest.formats.detect import Format, detect
from tunedb.ingest.formats.metaschedule import ListedWorkload, read_workload
from tunedb.program.arguments import Entry
from tunedb.records import Rejected
from tunedb.store import schema
from tunedb.store.memory import MemoryStore

EXAMPLES = 20_000 if KILLS >= 250 else 500
LINES: dict[Format, list[bytes]] = {
    Format.RECORDS: [record_line(3), record_line(4, index=1)],
    Format.AUTOTVM: [autotvm().encode(), autotvm_first_form().encode()],
    Format.ANSOR: [ansor().encode()],
    Format.WORKLOADS: [workload_line()],
}
ODD: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, -0.0, 1e-320, "", "\x00", "\ud800", "é" * 50, [], {}, [[]], [None],
    {"kind": 1}, {"kind": "llvm", "host": {"kind": []}}, "llvm -", "-mcpu", "[" * 300,
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        found.append((value, key))
        found.extend(places(value[key]))
    return found


def change_bytes(line: bytes, rng: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(rng.randint(1, 4)):
        where = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0:
                changed[where : where + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[where : where + rng.randint(1, 40)]
            case 2:
                changed[where:where] = changed[where : where + rng.randint(1, 40)]
            case 3:
                changed[where:where] = rng.choice((b'"', b"[", b"]", b"{", b"}", b",", b"1e999", b"\xff\xfe", b"null"))
            case _:
                changed = changed[:where] if rng.random() < 0.3 else changed[::-1]
    return bytes(changed).replace(b"\n", b" ")


def change_json(line: bytes, rng: random.Random) -> bytes:
    value = json.loads(line)
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(places(value))
        match rng.randrange(4):
            case 0:
                container[key] = copy.deepcopy(rng.choice(ODD))
            case 1:
                del container[key]
            case 2 if isinstance(container, list):
                container.insert(key, copy.deepcopy(rng.choice(ODD)))
            case _:
                container[key] = [container[key]]
        if not places(value):
            break
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


@functools.cache
def file_of(form: Format) -> RecordFile:
    return RecordFile(
        "a.log", form, "source", "hardware", [ListedWorkload("workload", "module", Entry((), frozenset()))], b"head"
    )


def ingested(form: Format, line: bytes) -> None:
    """Reads a line as the ingest does, down to the columns that a store on disk writes."""
    store = MemoryStore()
    detect("a.log", line)
    if form is Format.WORKLOADS:
        try:
            workload, module = read_workload(line)
        except BadInputError as error:
            store.append([], rejected=[Rejected("a.log", 1, str(error), line)])
        else:
            store.append([], workloads=[workload], modules=[module])
    else:
        parsed = ChunkParser().parse(Chunk(file_of(form), 1, line))
        comment = form is not Format.RECORDS and (not line.strip() or line.startswith(b"#"))
        assert len(parsed.trials) + len(parsed.rejected) == (0 if comment or not line else 1)
        columns = parsed.trials.columns()
        pa.table(columns, schema=schema.TRIALS.arrow()).validate(full=True)
        parsed.trials.trials()
        store.append([], workloads=parsed.workloads, rejected=parsed.rejected)
    for table in schema.TABLES:
        with store.table(table.name) as reader:
            reader.read_all().validate(full=True)


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    st.sampled_from(sorted(LINES)),
    st.integers(0, 1),
    st.sampled_from([change_bytes, change_json]),
    st.integers(0, 2**32),
)
def test_mutated_lines(form: Format, which: int, change: Callable[[bytes, random.Random], bytes], seed: int) -> None:
    line = LINES[form][which % len(LINES[form])]
    ingested(form, change(line, random.Random(seed)))
