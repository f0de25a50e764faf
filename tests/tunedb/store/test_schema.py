"""The tables follow from the records: whoever adds a field to one need not think of columns, rows, SQL or batches."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.tunedb.samples import AROUND, trial
from tunedb.identity import conditions_of
from tunedb.records import Delivery, Hardware, Module, Sighting, Source, Target, Trial, Verdict, Workload
from tunedb.store import schema
from tunedb.store.memory import MemoryStore

RECORDS = {
    "hardware": Hardware,
    "targets": Target,
    "workloads": Workload,
    "modules": Module,
    "sources": Source,
    "deliveries": Delivery,
    "sightings": Sighting,
    "verdicts": Verdict,
}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_field_of_a_record_is_a_column(name: str) -> None:
    fields = [field.name for field in dataclasses.fields(RECORDS[name])]
    assert list(schema.BY_NAME[name].told()) == fields
    assert schema.BY_NAME[name].arrow().names == [*fields, "checksum"]


def test_a_field_of_a_trial_is_a_column_but_for_the_trace_which_is_split() -> None:
    fields = {field.name for field in dataclasses.fields(Trial)}
    parts = {"trace_id", "instructions_id", "postproc", "decisions", "secs_median", "checksum"}
    assert set(schema.TRIALS.columns) == (fields - {"trace"}) | parts


def test_types_follow_from_the_fields() -> None:
    assert schema.TRIALS.columns["run_secs"] == "list<double>"
    assert schema.WORKLOADS.columns["extents"] == "list<int64>"
    assert schema.HARDWARE.columns["num_sms"] == "int64"  # optional: all columns are nullable
    assert schema.SOURCES.columns["added_at"] == "timestamp"
    assert schema.MODULES.columns["module_json"] == "binary"


def test_a_column_is_seen_in_sql_and_streams_without_being_named_there() -> None:
    store = MemoryStore()
    flushed = conditions_of(caches="flushed")
    store.append([trial(0), trial(1, conditions=flushed)], **AROUND)
    asked = store.sql("SELECT conditions, count(*) FROM trials GROUP BY ALL ORDER BY ALL").rows
    assert dict(asked) == {"{}": 1, flushed: 1}
    with store.table("trials") as reader:
        assert set(reader.read_all().column("conditions").to_pylist()) == {"{}", flushed}
    assert json.loads(flushed) == {"caches": "flushed"}


def test_what_is_referred_to_is_written_before_what_refers_to_it() -> None:
    written: set[str] = set()
    for table in schema.TABLES:
        assert set(table.references.values()) <= written
        written.add(table.name)
