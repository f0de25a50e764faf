"""What every store promises: one suite for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.tokens import Scope
from tests.tunedb import samples
from tests.tunedb.samples import AROUND, MACHINE, MODULE, OTHER_TARGET, SOURCE, TARGET, WORKLOAD, failed, trial, verdict
from tunedb import Store, open_store
from tunedb.errors import AmbiguousPrefixError, NotFoundError, UsageError
from tunedb.identity import canonical_target, content_hash, source, trace_id
from tunedb.query.ranking import ranked_best
from tunedb.records import Outcome, Rejected, Sighting, Source, Trace, Trial
from tunedb.store import schema
from tunedb.store.batch import Batch, TrialColumns, TrialRows

LOST = f"unknown-{content_hash('lost')}"


@pytest.fixture(params=["memory", "delta", "s3", "http"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "http":
        service = request.getfixturevalue("running_service")
        with service.opened(Scope.ADMIN) as opened:
            yield opened
        return
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        opened = open_store(bucket.url, storage_options=bucket.options)
    else:
        opened = open_store("memory:" if request.param == "memory" else tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def fill(store: Store) -> Callable[..., object]:
    def append(*trials: object, **extra: object) -> object:
        known = AROUND
        return store.append(list(trials), **{**known, **extra})  # type: ignore[arg-type]

    return append


def test_empty_store_answers(store: Store) -> None:
    assert store.workloads() == []
    assert store.targets() == []
    assert store.hardware() == []
    assert store.sources() == []
    assert store.best(WORKLOAD.workload_id) == []
    assert list(store.trials()) == []
    assert list(store.rejected()) == []
    assert store.target_summaries() == []
    assert store.stats().num_trials == 0
    assert store.problems() == []
    with pytest.raises(NotFoundError):
        store.resolve_workload("ab")


def test_what_was_appended_comes_back(store: Store, fill: Callable[..., object]) -> None:
    measured = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
    given = [
        trial(0),
        trial(1, run_secs=(0.003, 0.002, 0.0025), measured_at=measured),
        trial(2, trace=Trace(samples.SHARED + b"]", b"[]")),
        failed(3),
        trial(4, trace=Trace(b"[]", b"[]")),
    ]
    fill(*given)
    assert list(store.trials()) == given
    assert store.targets() == [TARGET]
    assert store.hardware() == [MACHINE]
    assert [dataclasses.replace(row, added_at=None) for row in store.sources()] == [SOURCE]
    assert store.sources()[0].added_at is not None
    assert store.workload(WORKLOAD.workload_id) == WORKLOAD
    assert store.module(MODULE.module_id) == MODULE
    assert store.modules(WORKLOAD.workload_id) == [MODULE]


def test_appending_twice_adds_nothing(store: Store, fill: Callable[..., object]) -> None:
    first = fill(trial(0), trial(1), failed(2))
    assert (first.added, first.duplicates, first.failed_trials) == (3, 0, 1)  # type: ignore[attr-defined]
    again = fill(trial(1), trial(3), trial(3))
    assert (again.added, again.duplicates) == (1, 2)  # type: ignore[attr-defined]
    assert store.stats().num_trials == 4
    assert len(list(store.trials())) == 4


def test_every_source_of_a_trial_is_kept(store: Store, fill: Callable[..., object]) -> None:
    other, third = source("logs/other.json", "metaschedule-json"), source("logs/third.json", "metaschedule-json")
    fill(trial(0), trial(1), sources=[SOURCE, other, third])
    elsewhere = [trial(0, source_id=other.source_id, position=7), trial(2, source_id=other.source_id, position=8)]
    for _ in range(2):
        assert store.append(elsewhere, sources=[other]).duplicates >= 1
        store.append([trial(0)])
    twice = [trial(5, source_id=third.source_id, position=1), trial(5, source_id=other.source_id, position=2)]
    store.append(twice)
    store.append_batch(Batch(sightings=[Sighting(trial(1).trial_id, third.source_id, 4)]))
    found = store.sql("SELECT trial_id, source_id, position FROM sightings ORDER BY position").rows
    assert found == [
        (trial(5).trial_id, other.source_id, 2),
        (trial(1).trial_id, third.source_id, 4),
        (trial(0).trial_id, other.source_id, 7),
    ]
    assert {row.source_id for row in store.trials() if row.trial_id == trial(0).trial_id} == {SOURCE.source_id}
    assert store.problems(whole=True) == []


def test_verdicts_are_kept_with_their_history_whether_there_is_a_trial_or_not(
    store: Store, fill: Callable[..., object]
) -> None:
    assert store.verdicts() == []
    wrong = verdict(0, float("inf"), day=2, secs=None, untuned_secs=None)
    right, elsewhere = verdict(0), verdict(7, target_id=OTHER_TARGET.target_id, day=1)
    store.append_verdicts([wrong, right])
    for _ in range(2):
        store.append_verdicts([right, elsewhere, elsewhere])
    assert store.verdicts() == [right, elsewhere, wrong]
    assert store.verdicts(WORKLOAD.workload_id, TARGET.target_id) == [right, wrong]
    assert store.verdicts(target_id=OTHER_TARGET.target_id) == [elsewhere]
    assert store.verdicts("another") == []
    fill(trial(0))
    assert store.stats().num_verdicts == 3
    question = "SELECT count(*) FROM trials JOIN verdicts USING (workload_id, trace_id, target_id)"
    assert store.sql(question).rows == [(2,)]
    assert store.problems(whole=True) == []
    store.compact()
    assert store.verdicts() == [right, elsewhere, wrong]


def test_version_changes_when_a_trial_is_added(store: Store, fill: Callable[..., object]) -> None:
    before = store.version()
    fill(trial(0))
    after = store.version()
    assert before != after
    fill(trial(0))
    assert store.version() == after


def test_best_is_of_the_target_one_for_each_trace(store: Store, fill: Callable[..., object]) -> None:
    same_trace = Trace(samples.SHARED + b"]", b"[[1,[9,9,9,9]]]")
    other = trial(7, 1e-6, target_id=OTHER_TARGET.target_id)
    fast, slow = trial(5, 0.001, trace=same_trace), trial(6, 0.002, trace=same_trace)
    fill(trial(1, 0.004), slow, fast, failed(3), trial(2, 0.003), other, targets=[TARGET, OTHER_TARGET])
    best = store.best(WORKLOAD.workload_id, TARGET.target_id, limit=10)
    assert [row.run_secs_median for row in best] == [0.001, 0.003, 0.004]
    assert store.best(WORKLOAD.workload_id, TARGET.target_id) == [fast]
    assert store.best(WORKLOAD.workload_id) == [other]
    assert store.best("no such workload", TARGET.target_id) == []


def test_best_goes_by_the_median(store: Store, fill: Callable[..., object]) -> None:
    steady = trial(0, run_secs=(0.002, 0.002, 0.002))
    noisy = trial(1, run_secs=(0.001, 0.009, 0.009))
    fill(noisy, steady)
    assert store.best(WORKLOAD.workload_id, TARGET.target_id, limit=2) == [steady, noisy]


def test_schedules_go_by_the_latency_of_all_their_passes(store: Store, fill: Callable[..., object]) -> None:
    lucky = [trial(0, run_secs=(secs, 9 * secs)) for secs in (0.5e-3, 3.2e-3)]  # 1.26 ms
    steady = [trial(1, run_secs=(secs, secs)) for secs in (1.0e-3, 1.21e-3)]  # 1.1 ms
    fill(*lucky, *steady, failed(0), failed(5))
    fill(trial(1, run_secs=(0.4e-3,), conditions='{"caches":"flushed"}'))
    found = store.schedules(WORKLOAD.workload_id, TARGET.target_id)
    assert [(row.trace_id, set(row.passes)) for row in found] == [
        (trace_id(trials[0].trace), {one.run_secs for one in trials}) for trials in (steady, lucky)
    ]
    assert {row.hardware_id for row in found} == {MACHINE.hardware_id}
    assert store.schedules(WORKLOAD.workload_id, TARGET.target_id, 1) == found[:1]
    assert store.schedules(WORKLOAD.workload_id, OTHER_TARGET.target_id) == []
    (pool,) = (row for row in store.pool_summaries() if row.conditions == "{}")
    assert pool.best_secs == pytest.approx(1.1e-3)
    assert (pool.num_trials, pool.num_failed) == (6, 2)
    assert (pool.best_median_secs, pool.best_trial_id) == (1.0e-3, steady[0].trial_id)


def test_a_schedule_on_two_modules_of_its_workload_is_one(store: Store, fill: Callable[..., object]) -> None:
    again = dataclasses.replace(MODULE, module_id=content_hash("module", b"{}"), module_json=b"{}")
    first, later = trial(0, run_secs=(0.002,)), trial(0, run_secs=(0.003,), module_id=again.module_id)
    copied = trial(0, run_secs=(0.002,), module_id=again.module_id)  # the record of `first`, beside the other module
    fill(first, later, copied, modules=[MODULE, again])
    (schedule,) = store.schedules(WORKLOAD.workload_id, TARGET.target_id)
    assert sorted(schedule.passes) == [(0.002,), (0.003,)]
    (ranked,) = ranked_best(store, WORKLOAD.workload_id, TARGET.target_id, limit=9)
    assert (ranked.estimate.num_rounds, ranked.trial.run_secs) == (2, (0.002,))
    (pool,) = store.pool_summaries()
    assert (pool.num_trials, pool.best_median_secs) == (3, 0.002)
    assert pool.best_secs == pytest.approx(ranked.estimate.secs)
    assert pool.best_trial_id == ranked.trial.trial_id


def test_a_pool_that_failed_has_no_best(store: Store, fill: Callable[..., object]) -> None:
    fill(failed(0), failed(1))
    (pool,) = store.pool_summaries()
    assert (pool.num_trials, pool.num_failed) == (2, 2)
    assert (pool.best_secs, pool.best_median_secs, pool.best_trial_id) == (None, None, None)
    assert store.schedules(WORKLOAD.workload_id, TARGET.target_id) == []


def test_trials_are_selected(store: Store, fill: Callable[..., object]) -> None:
    second = samples.workload("softmax")
    module = samples.module(second)
    moved = trial(1, workload_id=second.workload_id, module_id=module.module_id)
    fill(trial(0), moved, failed(2), workloads=[WORKLOAD, second], modules=[MODULE, module])
    assert list(store.trials(second.workload_id)) == [moved]
    assert list(store.trials(outcome=Outcome.COMPILE_ERROR)) == [failed(2)]
    assert list(store.trials(WORKLOAD.workload_id, TARGET.target_id, Outcome.OK)) == [trial(0)]
    assert list(store.trials(target_id=OTHER_TARGET.target_id)) == []


def test_a_workload_of_several_releases_is_one(store: Store, fill: Callable[..., object]) -> None:
    old = samples.module(WORKLOAD, version="0.13.dev0", structural_hash="77001")
    new = samples.module(WORKLOAD, version="0.26.0", structural_hash="88002")
    fill(trial(0), failed(1), modules=[MODULE, new, old])
    (summary,) = store.workloads()
    assert summary.tvm_versions == ("0.13.dev0", "0.26.0", "0.27.0.post1")
    assert (summary.name, summary.family, summary.extents) == (WORKLOAD.name, "matmul", (1, 128, 128))
    assert {"77001"} < set(summary.structural_hashes)
    assert (summary.num_trials, summary.num_failed, summary.num_targets, summary.best_secs) == (2, 1, 1, 0.001)
    assert store.modules(WORKLOAD.workload_id)[-1] == old
    assert store.resolve_workload("7700") == summary
    assert store.resolve_workload(WORKLOAD.workload_id[:6].upper()) == summary


def test_workload_prefixes(store: Store, fill: Callable[..., object]) -> None:
    one, two = samples.workload("one"), samples.workload("two")
    modules = [samples.module(one, structural_hash="123"), samples.module(two, structural_hash="1234")]
    fill(workloads=[WORKLOAD, one, two], modules=modules)
    assert store.resolve_workload("123").workload_id == one.workload_id  # whole, though it also begins the other
    assert store.resolve_workload("1234").workload_id == two.workload_id
    with pytest.raises(AmbiguousPrefixError, match="two"):
        store.resolve_workload("12")
    for unknown in ("", "nothing", "99999"):
        with pytest.raises(NotFoundError):
            store.resolve_workload(unknown)


def test_unknown_modules_are_not_found(store: Store, fill: Callable[..., object]) -> None:
    lost = dataclasses.replace(WORKLOAD, workload_id=LOST, signature="")
    fill(trial(0, workload_id=LOST, module_id=""), workloads=[lost], modules=[])
    assert store.workload(LOST) == lost
    assert store.modules(LOST) == []
    assert store.stats().num_modules == 0
    for module_id in ("", "unknown-ab", "feed"):
        with pytest.raises(NotFoundError):
            store.module(module_id)


def test_targets_are_named_in_many_ways(store: Store, fill: Callable[..., object]) -> None:
    cuda = canonical_target({"kind": "cuda", "arch": "sm_90a"})
    fill(targets=[TARGET, OTHER_TARGET, cuda])
    assert store.resolve_target("cuda") == cuda
    assert store.resolve_target("znver5") == TARGET
    assert store.resolve_target(TARGET.target_id[:8]) == TARGET
    assert store.resolve_target('{"num-cores": 1, "kind": "llvm", "mcpu": "znver5", "tag": ""}') == TARGET
    with pytest.raises(AmbiguousPrefixError, match="skylake"):
        store.resolve_target("llvm")
    for unknown in ("riscv", "{", '{"kind":"metal"}'):
        with pytest.raises(NotFoundError):
            store.resolve_target(unknown)


def test_target_summaries_count(store: Store, fill: Callable[..., object]) -> None:
    fill(trial(0), failed(1), trial(2, target_id=OTHER_TARGET.target_id), targets=[TARGET, OTHER_TARGET])
    rows = [
        (row.target, row.hardware, row.num_trials, row.num_failed, row.num_workloads)
        for row in store.target_summaries()
    ]
    assert rows == [(TARGET, MACHINE, 2, 1, 1), (OTHER_TARGET, MACHINE, 1, 0, 1)]


def test_rejected_input_is_kept_once(store: Store, fill: Callable[..., object]) -> None:
    bad = Rejected("a.json", 3, "not JSON", b"\xff\x00 garbage")
    fill(trial(0), rejected=[bad])
    fill(rejected=[bad, dataclasses.replace(bad, line=2)])
    assert list(store.rejected()) == [dataclasses.replace(bad, line=2), bad]
    assert store.stats().num_rejected == 2


def test_stats_count(store: Store, fill: Callable[..., object]) -> None:
    fill(trial(0), failed(1), failed(2, Outcome.RUN_TIMEOUT))
    stats = store.stats()
    assert stats.outcomes == {Outcome.OK: 1, Outcome.COMPILE_ERROR: 1, Outcome.RUN_TIMEOUT: 1}
    assert (stats.num_trials, stats.num_failed, stats.num_workloads, stats.num_targets) == (3, 2, 1, 1)
    assert (stats.num_modules, stats.num_hardware, stats.num_sources) == (1, 1, 1)


def test_a_reference_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="workload"):
        store.append([trial(0)], targets=[TARGET], hardware=[MACHINE], sources=[SOURCE])
    with pytest.raises(UsageError, match="module_id"):
        store.append([trial(0)], **{**AROUND, "modules": []})
    with pytest.raises(UsageError, match="workload"):
        store.append([], modules=[samples.module(samples.workload("softmax"))])
    assert store.stats().num_trials == 0


def test_references_may_have_come_before(store: Store, fill: Callable[..., object]) -> None:
    fill()
    assert store.append([trial(0)]).added == 1
    assert store.problems() == []


def test_conditions_are_never_mixed(store: Store, fill: Callable[..., object]) -> None:
    flushed = '{"caches":"flushed"}'
    cold = trial(0, 0.0005, conditions=flushed)  # faster than all others, and no answer to what is asked of them
    fill(trial(1, 0.002), trial(2, 0.004), cold)
    assert cold.trial_id != trial(0, 0.0005).trial_id
    assert store.best(WORKLOAD.workload_id, TARGET.target_id, limit=5) == [trial(1, 0.002), trial(2, 0.004)]
    assert store.best(WORKLOAD.workload_id, TARGET.target_id, conditions=flushed) == [cold]
    assert list(store.trials(conditions=flushed)) == [cold]
    assert len(list(store.trials())) == 3
    assert store.workloads()[0].best_secs == 0.002
    pools = {row.conditions: (row.num_trials, row.num_failed, row.best_median_secs) for row in store.pool_summaries()}
    assert pools == {"{}": (2, 0, 0.002), flushed: (1, 0, 0.0005)}
    with store.flat_trials(top_k=1) as reader:
        assert {row["trial_id"] for row in reader.read_all().to_pylist()} == {trial(1, 0.002).trial_id, cold.trial_id}


def test_pool_summaries_are_of_the_workloads_asked_for(store: Store, fill: Callable[..., object]) -> None:
    fill(trial(0), failed(1), trial(2, target_id=OTHER_TARGET.target_id), targets=[TARGET, OTHER_TARGET])
    found = {(row.target_id, row.num_trials, row.num_failed, row.best_median_secs) for row in store.pool_summaries()}
    assert found == {(TARGET.target_id, 2, 1, 0.001), (OTHER_TARGET.target_id, 1, 0, 0.003)}
    assert len(store.pool_summaries([WORKLOAD.workload_id])) == 2
    assert store.pool_summaries(["another"]) == store.pool_summaries([]) == []


def test_trial_groups_count_and_tell_the_newest(store: Store, fill: Callable[..., object]) -> None:
    assert store.trial_groups() == []
    early, late = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
    fill(trial(0, measured_at=early), trial(1, measured_at=late), dataclasses.replace(failed(2), measured_at=None))
    by_outcome = {row.outcome: row for row in store.trial_groups()}
    good, bad = by_outcome[Outcome.OK], by_outcome[Outcome.COMPILE_ERROR]
    assert len(store.trial_groups()) == 2
    assert (good.workload_id, good.target_id, good.hardware_id, good.source_id, good.conditions) == (
        WORKLOAD.workload_id,
        TARGET.target_id,
        MACHINE.hardware_id,
        SOURCE.source_id,
        "{}",
    )
    assert (good.num_trials, good.newest_at, good.best_secs) == (2, late, 0.001)
    assert (bad.num_trials, bad.newest_at, bad.best_secs) == (1, None, None)


def test_a_trial_is_found_by_the_beginning_of_its_id(store: Store, fill: Callable[..., object]) -> None:
    trials = [trial(number) for number in range(40)]
    fill(*trials)
    wanted = trials[7]
    assert store.trial(wanted.trial_id) == wanted
    assert store.trial(wanted.trial_id[:20].upper()) == wanted
    with pytest.raises(AmbiguousPrefixError, match="several records"):
        store.trial(next(c for c in "0123456789abcdef" if sum(t.trial_id[0] == c for t in trials) > 1))
    for unknown in ("", "xyz", "feedfeedfeed"):
        with pytest.raises(NotFoundError):
            store.trial(unknown)


def test_tables_are_streams(store: Store, fill: Callable[..., object]) -> None:
    fill(trial(0), failed(1), rejected=[Rejected("a.json", 3, "not JSON", b"\xff")])
    for table in schema.TABLES:
        with store.table(table.name) as reader:
            assert reader.schema.names == list(table.columns)
            rows = {"trials": 2, "sightings": 0, "verdicts": 0, "deliveries": len(store.deliveries())}
            assert reader.read_all().num_rows == rows.get(table.name, 1)
    with pytest.raises(NotFoundError, match="no table 'records'"), store.table("records"):
        pass


def test_sql_asks_the_tables(store: Store, fill: Callable[..., object]) -> None:
    fill(trial(0), failed(1))
    question = "SELECT family, count(*) AS n FROM trials JOIN workloads USING (workload_id) GROUP BY ALL"
    assert store.sql(question).columns == ("family", "n")
    assert store.sql(question).rows == [("matmul", 2)]
    with pytest.raises(UsageError, match="only SELECT"):
        store.sql("DROP TABLE trials")


def test_threads_read_while_others_append(store: Store, fill: Callable[..., object]) -> None:
    fill()
    total = 12

    def read(_: int) -> int:
        seen = len(list(store.trials()))
        assert len(store.best(WORKLOAD.workload_id, TARGET.target_id, limit=total)) >= seen
        assert store.stats().num_trials >= seen
        assert sum(row.num_trials for row in store.target_summaries()) >= seen
        assert store.sql("SELECT count(*) FROM trials").rows[0][0] >= seen
        store.workloads(), store.sources(), store.pool_summaries(), store.resolve_workload(WORKLOAD.workload_id)
        return seen

    with ThreadPoolExecutor(4) as threads:
        appended = [threads.submit(store.append, [trial(number)]) for number in range(total)]
        counts = list(threads.map(read, range(4)))
        assert sum(future.result().added for future in appended) == total
    assert max(counts) <= total == store.stats().num_trials


def test_files_belong_to_the_store(store: Store) -> None:
    store.artifacts.write("models/one/manifest.json", b"{}")
    assert store.artifacts.names("models") == ["models/one/manifest.json"]
    assert store.stats().num_trials == 0 and store.problems() == []


@pytest.mark.parametrize("store", ["memory", "delta", "s3"], indirect=True)  # a service knows its senders itself
def test_who_sent_a_source_is_kept(store: Store) -> None:
    other = source("logs/other.json", "metaschedule-json")
    store.append([trial(0)], **AROUND)
    assert store.deliveries() == []
    again, new = Batch(**_around([trial(0)], [SOURCE]), sender="laptop"), trial(1, source_id=other.source_id)
    reports = store.append_batches([again, Batch(**_around([new], [other]), sender="board"), again])
    assert [(row.added, row.duplicates) for row in reports] == [(0, 1), (1, 0), (0, 1)]
    assert [(row.source_id, row.sender) for row in store.deliveries()] == [(other.source_id, "board")]
    store.append_batch(Batch(**_around([trial(2)], [SOURCE]), sender="laptop"))
    store.append_batch(Batch(**_around([trial(3)], [SOURCE]), sender="laptop"))
    found = {(row.source_id, row.sender) for row in store.deliveries()}
    assert found == {(other.source_id, "board"), (SOURCE.source_id, "laptop")}
    assert store.sql("SELECT count(*) FROM deliveries JOIN sources USING (source_id)").rows == [(2,)]
    assert store.problems(whole=True) == []


def _around(trials: list[Trial], sources: list[Source]) -> dict[str, Any]:
    rows = TrialColumns.of(TrialRows.of(trials))
    return {"trials": rows, "sources": sources, "deliveries": []}


def test_batches_that_come_together_are_told_apart(store: Store) -> None:
    whole: dict[str, Any] = {"workloads": [WORKLOAD], "modules": [MODULE], "targets": [TARGET], "hardware": [MACHINE]}
    first = Batch(**_around([trial(0), failed(1)], [SOURCE]), **whole)
    second = Batch(**_around([trial(1), trial(0), trial(2)], []))
    reports = store.append_batches([first, second, Batch()])
    assert [(row.added, row.duplicates, row.failed_trials) for row in reports] == [(2, 0, 1), (2, 1, 0), (0, 0, 0)]
    assert store.append_batches([]) == []
    with pytest.raises(UsageError, match="module_id"):
        store.append_batches([second, Batch(**_around([trial(9, module_id=content_hash("lost"))], []))])
