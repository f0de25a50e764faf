"""Log lines that are mutated as bytes and as JSON, and logs cut after every byte."""

from __future__ import annotations

import bisect
import copy
import functools
import json
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
from typing_extensions import override

from tests.faults.corpus import PACKINGS, UNCHECKED, Files, clean, truth, write
from tests.faults.harness import Fuzzer
from tests.faults.readers import judge, names_of
from tests.tunedb.logfiles import ansor, autotvm, autotvm_first_form, record_line, workload_line
from tunedb.errors import BadInputError
from tunedb.ingest.chunks import Chunk, ChunkParser, RecordFile
from tunedb.ingest.formats.detect import Format, detect
from tunedb.ingest.formats.metaschedule import listed, read_workload
from tunedb.ingest.pipeline import ingest
from tunedb.records import Rejected
from tunedb.store import schema
from tunedb.store.memory import MemoryStore

LINES: dict[Format, list[bytes]] = {
    Format.RECORDS: [record_line(3), record_line(4, index=1)],
    Format.AUTOTVM: [autotvm().encode(), autotvm_first_form().encode()],
    Format.ANSOR: [ansor().encode()],
    Format.WORKLOADS: [workload_line()],
}
_TABLES_IN = 10  # one try in so many looks at all tables, which takes ten times as long as the try
_STRIDE = 1_000_003  # a prime: as many tries as there are ends have each of them once
ODD: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, -0.0, 1e-320, float("nan"), float("inf"), "", "\x00", "\ud800",
    "é" * 50, [], {}, [[]], [None], {"kind": 1}, {"kind": "llvm", "host": {"kind": []}}, "llvm -", "-mcpu", "[" * 300,
]  # fmt: skip


class Lines(Fuzzer):
    """Each mutated line is stored or rejected, whatever stands in it."""

    name = "lines"
    summary = "mutated log lines: each is stored or rejected, and nothing is raised"
    short, full = 400, 30_000

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        form = rng.choice(sorted(LINES))
        line = rng.choice(LINES[form])
        change = rng.choice((_change_bytes, _change_json))
        yield from self._ingested(form, change(line, rng), look_at_tables=number % _TABLES_IN == 0)

    def _ingested(self, form: Format, line: bytes, *, look_at_tables: bool) -> Iterator[str]:
        """Reads a line as the ingest does, down to the columns that a store on disk writes."""
        store = MemoryStore()
        detect("a.log", line)
        if form is Format.WORKLOADS:
            try:
                workload, module = read_workload(line)
            except BadInputError as error:
                self.count("rejected")
                store.append([], rejected=[Rejected("a.log", 1, str(error), line)])
            else:
                self.count("stored")
                store.append([], workloads=[workload], modules=[module])
        else:
            parsed = ChunkParser().parse(Chunk(_file_of(form), 1, line))
            ignored = not line.strip() or (form is not Format.RECORDS and line.startswith(b"#"))
            said = len(parsed.trials) + len(parsed.rejected)
            if said != 1 and not (ignored and said == 0):
                yield f"{form}: one line came to {said} trials and rejections"
            self.count("stored" if len(parsed.trials) else "rejected" if parsed.rejected else "ignored")
            pa.table(parsed.trials.columns(), schema=_columns_of_trials()).validate(full=True)
            parsed.trials.trials()
            store.append([], workloads=parsed.workloads, rejected=parsed.rejected)
        for table in schema.TABLES if look_at_tables else ():
            with store.table(table.name) as reader:
                reader.read_all().validate(full=True)


def _columns_of_trials() -> pa.Schema:
    """The columns that reading a line fills; others are made when it is stored."""
    names = ChunkParser().parse(Chunk(_file_of(Format.RECORDS), 1, b"")).trials.columns()
    whole = schema.TRIALS.arrow()
    return pa.schema([whole.field(name) for name in names])


@functools.cache
def _file_of(form: Format) -> RecordFile:
    workloads = [listed(*read_workload(workload_line()))] if form is Format.RECORDS else None
    return RecordFile("a.log", form, "source", "hardware", workloads, b"head")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        found.append((value, key))
        found.extend(_places(value[key]))
    return found


def _change_bytes(line: bytes, rng: random.Random) -> bytes:
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


def _change_json(line: bytes, rng: random.Random) -> bytes:
    value = json.loads(line)
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(_places(value))
        match rng.randrange(4):
            case 0:
                container[key] = copy.deepcopy(rng.choice(ODD))
            case 1:
                del container[key]
            case 2 if isinstance(container, list):
                container.insert(key, copy.deepcopy(rng.choice(ODD)))
            case _:
                container[key] = [container[key]]
        if not _places(value):
            break
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


class Prefixes(Fuzzer):
    """A log that ends after any of its bytes. The try's number says which: tries are spread evenly over all ends."""

    name = "prefixes"
    summary = "logs of every format and packing, cut after each byte: read as far as they go, and the rest is named"
    short, full = 200, 40_000

    def __init__(self) -> None:
        super().__init__()
        self._files: list[tuple[str, str, Files, str]] = [
            (name, packing, packed, victim)
            for name in ("autotvm", "ansor", "metaschedule")
            for packing, pack in PACKINGS.items()
            for packed in [pack(dict(clean()[name]))]
            for victim in packed
        ]
        self._ends = list(accumulate(len(packed[victim]) + 1 for _, _, packed, victim in self._files))

    @override
    def attempt(self, number: int, rng: random.Random, folder: Path) -> Iterator[str]:
        place = number * _STRIDE % self._ends[-1]
        which = bisect.bisect_right(self._ends, place)
        name, packing, packed, victim = self._files[which]
        length = self._ends[which] - 1 - place
        cut = {**packed, victim: packed[victim][:length]}
        write(folder / "logs", cut)
        store = MemoryStore()
        report = ingest(store, [folder / "logs"])
        raw = list(cut.values()) if packing in UNCHECKED else []
        for what in judge(store, report, truth(name), raw, named=names_of(clean()[name], packing), changed=False):
            yield f"{name}, {packing}, {victim} cut after {length} bytes: {what}"
