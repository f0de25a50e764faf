"""Kernel Tuner's results: what is measured is stored, and what is broken costs no other result."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.tunedb.logfiles import reasons
from tunedb.errors import BadInputError
from tunedb.ingest.formats.detect import Format, detect
from tunedb.ingest.pipeline import ingest
from tunedb.machine.hardware import hardware_named
from tunedb.records import Outcome, Trial
from tunedb.store.memory import MemoryStore
from tunedb.traces import schedule_of_other_tuner, validated_trace

ASSETS = Path(__file__).parents[1] / "assets" / "kernel_tuner"
CACHE = (ASSETS / "vector_add_cache.json").read_bytes()
T4 = (ASSETS / "vector_add-results.json").read_bytes()
GOOD: dict[str, Any] = {
    "configuration": {"b": 2, "a": 1},
    "times": {"runtimes": [2.0, 3.0]},
    "invalidity": "correct",
    "correctness": 1,
}


def t4(*results: object, **members: object) -> bytes:
    return json.dumps({"results": results, "schema_version": "1.0.0", **members}).encode()


def read(folder: Path, content: bytes, name: str = "gemm_results.json") -> tuple[MemoryStore, list[tuple[int, str]]]:
    (folder / name).write_bytes(content)
    store = MemoryStore()
    report = ingest(store, [folder / name])
    assert report.num_rejected == len(report.rejected)
    return store, [(line, reason) for _, line, reason in reasons(report)]


def told(store: MemoryStore) -> list[tuple[object, ...]]:
    rows = sorted(store.trials(), key=lambda row: row.position)
    return [(json.loads(row.trace.decisions), row.run_secs, row.outcome) for row in rows]


EXPECTED = [
    ([16, 1], (5e-5, 5.1e-5), Outcome.OK),
    ([16, 2], (6.0000000000000005e-5, 6.1e-5), Outcome.OK),
    ([32, 1], (), Outcome.COMPILE_ERROR),
    ([32, 2], (), Outcome.RUN_ERROR),
]


def same(found: list[tuple[object, ...]]) -> bool:
    return [(row[0], pytest.approx(row[1]), row[2]) for row in EXPECTED] == found


def test_a_cachefile(tmp_path: Path) -> None:
    store, bad = read(tmp_path, CACHE)
    assert bad == []
    assert same(told(store))
    (workload,), (machine,), (target,) = store.workloads(), store.hardware(), store.targets()
    assert (workload.name, workload.extents) == ("vector_add 1000000", (1000000,))
    assert (machine.name, machine.kind) == ("NVIDIA A100-PCIE-40GB", "gpu")
    assert (target.kind, target.arch) == ("unknown", "NVIDIA A100-PCIE-40GB")
    assert store.sources()[0].format == "kernel-tuner"
    first = min(store.trials(), key=lambda row: row.position)
    assert first.measured_at is not None
    assert first.measured_at.isoformat() == "2026-03-01T10:00:00.123456+00:00"
    assert schedule_of_other_tuner(first.trace.instructions) == "a Kernel Tuner configuration"
    with pytest.raises(BadInputError, match="which MetaSchedule cannot replay"):
        validated_trace(first.trace)
    assert store.problems() == []


def test_results_as_kernel_tuner_writes_them(tmp_path: Path) -> None:
    store, bad = read(tmp_path, T4, "vector_add-results.json")
    assert bad == []
    assert same(told(store))
    assert [row.name for row in store.workloads()] == ["vector_add"], "T4 names no kernel: the file does"
    assert store.hardware()[0].name.startswith("unknown machine of ")
    again = ingest(store, [tmp_path / "vector_add-results.json"])
    assert (again.added, again.duplicates) == (0, 4)
    named = MemoryStore()
    ingest(named, [tmp_path / "vector_add-results.json"], hardware=hardware_named("a board"))
    assert [row.name for row in named.hardware()] == ["a board"]
    assert {row.trial_id for row in named.trials()}.isdisjoint(row.trial_id for row in store.trials())


@pytest.mark.parametrize("ending", [b",", b",\n", b"", b"}", b"}\n"])
def test_a_cachefile_that_a_killed_tuner_left_open(tmp_path: Path, ending: bytes) -> None:
    store, bad = read(tmp_path, CACHE.rstrip().removesuffix(b"}\n}") + ending)
    assert bad == []
    assert same(told(store))


def test_a_cachefile_cut_within_an_entry_and_gone_on_with(tmp_path: Path) -> None:
    """The tuner's next run appends to what a kill in mid-write left."""
    lines = CACHE.splitlines(keepends=True)
    (cut,) = [place for place, line in enumerate(lines) if line.startswith(b'"16,2"')]
    lines[cut] = lines[cut][:40] + b"\n"
    store, bad = read(tmp_path, b"".join(lines))
    assert told(store) == [row for row in told(read(tmp_path, CACHE, "whole.json")[0]) if row[0] != [16, 2]]
    ((line, reason),) = bad
    assert line == cut + 1
    assert reason.startswith("entry '16,2': ")


def test_a_cachefile_that_was_cut_everywhere(tmp_path: Path) -> None:
    """No cut makes a figure that was not measured, and each costs one entry at most."""
    begin = CACHE.index(b'"16,1"')
    for end in range(begin, len(CACHE), 7):
        store, bad = read(tmp_path, CACHE[:end], "cut.json")
        assert len(bad) <= 1
        found = told(store)
        assert found == told(read(tmp_path, CACHE, "whole.json")[0])[: len(found)]
        assert len(found) + len(bad) >= CACHE[begin:end].count(b"\n"), "each that began is stored or named"


@pytest.mark.parametrize("end", [b"", b"}" * 20_000 + b"}\n}"])
def test_entries_within_entries_end_the_search_some_time(tmp_path: Path, end: bytes) -> None:
    content = CACHE.rstrip().removesuffix(b"}\n}") + b",\n" + b'"1": {\n' * 20_000 + end
    store, bad = read(tmp_path, content)
    assert same(told(store))
    assert bad


def test_each_cause_of_failure(tmp_path: Path) -> None:
    states = ["timeout", "compile", "runtime", "correctness", "constraints"]
    results = [{**GOOD, "configuration": {"a": place}, "invalidity": state} for place, state in enumerate(states)]
    store, bad = read(tmp_path, t4(*results, {**GOOD, "correctness": 0}))
    assert bad == []
    assert [outcome for *_, outcome in told(store)] == [
        Outcome.RUN_TIMEOUT,
        Outcome.COMPILE_ERROR,
        Outcome.RUN_ERROR,
        Outcome.WRONG_RESULT,
        Outcome.FAILED,
        Outcome.WRONG_RESULT,
    ]
    assert {row.error for row in store.trials()} >= {"the configuration breaks a constraint of its kernel"}


@pytest.mark.parametrize(
    ("unit", "secs"), [("seconds", 2.0), ("milliseconds", 2e-3), ("microseconds", 2e-6), ("ns", 2e-9), (None, 2e-3)]
)
def test_units_of_time(tmp_path: Path, unit: str | None, secs: float) -> None:
    store, bad = read(tmp_path, t4(GOOD, metadata={} if unit is None else {"timeunit": unit}))
    assert bad == []
    assert [row.run_secs[0] for row in store.trials()] == [pytest.approx(secs)]


def test_a_configuration_is_the_same_in_any_order_and_without_single_runs(tmp_path: Path) -> None:
    other = {**GOOD, "configuration": {"a": 1, "b": 2}, "times": {}}
    other["measurements"] = [{"name": "energy", "value": 3}, {"name": "time", "value": 2500, "unit": "us"}]
    store, bad = read(tmp_path, t4(GOOD, other, GOOD))
    assert bad == []
    first, second = store.trials()
    assert first.trace == second.trace
    assert {first.run_secs, second.run_secs} == {(0.002, 0.003), (0.0025,)}


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{"configuration": 3, "invalidity": "correct"}', "it has no 'configuration' that is an object"),
        (b'{"configuration": {}, "invalidity": "odd"}', "its 'invalidity' is 'odd': it is one of correct, timeout"),
        (b'{"configuration": {}, "invalidity": ["odd"]}', "its 'invalidity' is \"['odd']\""),
        (b'{"configuration": {}, "invalidity": "correct"}', "it is correct and has no run time"),
        (json.dumps({**GOOD, "times": {"runtimes": ["fast"]}}).encode(), "among the run times is 'fast'"),
        (json.dumps({**GOOD, "times": {"runtimes": [True]}}).encode(), "among the run times is 'True'"),
        (b'{"configuration": {"a": NaN}, "invalidity": "compile"}', "in the configuration: nan is no number there"),
        (b'{"configuration": {"a": \xff}, "invalidity": "compile"}', "not JSON"),
        (b'{"configuration": {"a": nope}}', "not JSON"),
        (b"17", "not a JSON object"),
        (b'{"configuration": {"a": [1}, 2]}', "a bracket too few or too many in line 3"),
        (b'{"configuration": {"a": ' + DEEP + b"]" * len(DEEP) + b"}}", "not JSON"),
        (b'{"configuration": {"a": ' + DEEP + b"}", "a bracket too few or too many"),
        (b'{"tunedb": {"trial_id": 3}}', "the row cannot be read"),
        (b'{"tunedb": {"workload_record": "{}"}}', "its workload cannot be read"),
    ],
)
def test_a_broken_result_costs_itself_only(tmp_path: Path, broken: bytes, reason: str) -> None:
    good = [json.dumps({**GOOD, "configuration": {"a": place}}).encode() for place in range(3)]
    store, bad = read(tmp_path, b'{"results": [\n' + b",\n".join([good[0], broken, *good[1:]]) + b"\n]}")
    assert [decisions for decisions, *_ in told(store)] == [[0], [1], [2]]
    assert bad
    for line, told_reason in bad:
        assert line == 3
        assert told_reason.startswith("results[1]: ")
    assert reason in bad[0][1]


def test_a_run_time_that_no_machine_has_is_a_failed_trial(tmp_path: Path) -> None:
    store, bad = read(
        tmp_path, t4({**GOOD, "times": {"runtimes": [float("nan")]}}, {**GOOD, "times": {"runtimes": [-1]}})
    )
    assert bad == []
    assert [row.outcome for row in store.trials()] == [Outcome.FAILED] * len(list(store.trials()))
    assert all("which no machine has" in row.error for row in store.trials())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (t4(GOOD, schema_version="2.0.0"), "it is of T4's schema version '2.0.0': 1.x is read"),
        (t4(GOOD, metadata={"timeunit": "fortnights"}), "its unit of time is 'fortnights'"),
        (b'{"results": [{"configuration": {"a"', "cut off"),
        (CACHE.replace(b'"tune_params_keys": [', b'"tune_params_keys": [3, '), "no list of names"),
        (CACHE.replace(b'"tile"\n]', b'"tile", "lost"\n]', 1), "it has no value of the parameter 'lost'"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    store, bad = read(tmp_path, content)
    assert list(store.trials()) == []
    assert reason in " ".join(text for _, text in bad)


def test_a_file_that_goes_on_after_its_end(tmp_path: Path) -> None:
    store, bad = read(tmp_path, t4(GOOD) + t4(GOOD))
    assert len(list(store.trials())) == 1
    assert bad == [(1, "results[1]: it follows the end of the document; reading goes on at the next that can be told")]


@pytest.mark.parametrize("content", [CACHE, T4])
def test_packed_and_in_other_encodings(tmp_path: Path, content: bytes) -> None:
    for name, packed in {
        "a.json.gz": gzip.compress(content),
        "b.json": content.decode().encode("utf-16"),
        "c.json": b"\xef\xbb\xbf" + content,
    }.items():
        store, bad = read(tmp_path, packed, name)
        assert bad == []
        assert same(told(store))


def test_what_was_packed_and_is_cut_off_is_not_believed(tmp_path: Path) -> None:
    store, bad = read(tmp_path, gzip.compress(CACHE)[:-20], "a.json.gz")
    assert list(store.trials()) == []
    assert len(bad) == 1


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (CACHE, Format.KERNEL_TUNER),
        (T4, Format.T4),
        (b'{"schema_version": "1.0.0", "metadata": {}, "results": []}', Format.T4),
        (json.dumps(json.loads(T4), indent=2).encode(), Format.T4),
        (b'{"results": [1, 2]}', Format.UNKNOWN),
        (b'{"results": [{"name": "x"}]}', Format.UNKNOWN),
        (b'{"device_name": "x", "cache": {}}', Format.UNKNOWN),
        (b'{"name": "x", "results": [{"configuration": 1}]}', Format.UNKNOWN),
    ],
)
def test_detection(head: bytes, form: Format) -> None:
    assert detect("a.json", head) is form


def of(trial: Trial) -> tuple[object, ...]:
    return trial.trial_id, trial.trace


def test_nothing_is_kept_twice_of_a_key_that_stands_twice(tmp_path: Path) -> None:
    """A tuner that measured again wrote its entry again: both were measured."""
    line = next(row for row in CACHE.splitlines() if row.startswith(b'"16,1"'))
    again = line.replace(b"0.05,", b"0.04,").replace(b"0.05,", b"0.04,")
    content = CACHE.rstrip().removesuffix(b"}\n}") + b",\n" + line + b"\n" + again + b"}\n}"
    store, bad = read(tmp_path, content)
    assert bad == []
    assert len({of(row) for row in store.trials()}) == 5
