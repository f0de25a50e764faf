import dataclasses

import pytest

from costmodels.shipped import BestSchedules
from search.bo.warm_start import failed, recall
from tunedb.identity import canonical_target, conditions_of, content_hash, source
from tunedb.machine.hardware import hardware_named
from tunedb.program.families import parts_of_words
from tunedb.records import Module, Outcome, Target, Trace, Trial, Workload
from tunedb.store.memory import MemoryStore

TARGET = canonical_target('{"kind":"llvm","mcpu":"znver5","num-cores":1}')
OTHER = canonical_target('{"kind":"llvm","mcpu":"rocketlake","num-cores":1}')
GPU_LIKE = canonical_target('{"kind":"llvm","mcpu":"x86-64-v3","num-cores":1}')
GPU = canonical_target('{"kind":"cuda","arch":"sm_90"}')
MACHINE = hardware_named("a machine")
SOURCE = source("a.json", "metaschedule-json")


def workload(name: str) -> Workload:
    return Workload(content_hash("w", name), name, *parts_of_words(name.split(" ")), "{}")


def module(of: Workload) -> Module:
    return Module(content_hash("m", of.name), of.workload_id, "1", "0.27", b"{}")


def trial(of: Workload, target: Target, number: int, secs: float | None) -> Trial:
    return Trial(
        trial_id=f"{of.name} {target.target_id} {number}",
        workload_id=of.workload_id,
        module_id=module(of).module_id,
        target_id=target.target_id,
        hardware_id=MACHINE.hardware_id,
        source_id=SOURCE.source_id,
        position=number,
        trace=Trace(b"[]", f'[[1,"{of.name} {number}"]]'.encode()),
        args_info=b"[]",
        run_secs=() if secs is None else (secs,),
        outcome=Outcome.OK if secs is not None else Outcome.COMPILE_ERROR,
    )


TUNED = workload("matmul 1x128x128x128 float32")
NEAR = workload("matmul+relu 1x128x256x128 float32")
FAR = workload("matmul 1x2048x2048x2048 float32")
UNLIKE = workload("softmax 512x512 float32")


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    trials = [trial(TUNED, TARGET, i, secs) for i, secs in enumerate((3e-3, None, 1e-3))]
    trials += [trial(TUNED, OTHER, i, 2e-3 + i * 1e-3) for i in range(3)]
    trials += [trial(TUNED, GPU, 0, 1e-5)]
    trials += [trial(of, TARGET, i, 1e-3 * (9 - i)) for of in (NEAR, FAR, UNLIKE) for i in range(6)]
    store.append(
        trials,
        workloads=[TUNED, NEAR, FAR, UNLIKE],
        modules=[module(of) for of in (TUNED, NEAR, FAR, UNLIKE)],
        targets=[TARGET, OTHER, GPU],
        hardware=[MACHINE],
        sources=[SOURCE],
    )
    return store


def test_earlier_trials_come_with_their_failures_the_fastest_first(store: MemoryStore) -> None:
    history = recall(store, TUNED, TARGET)
    assert [one.position for one in history.trials] == [2, 0, 1]
    assert [failed(one) for one in history.trials] == [False, False, True]


def test_other_targets_of_the_kind_are_told_apart(store: MemoryStore) -> None:
    history = recall(store, TUNED, TARGET)
    assert {one.target_id for one in history.other_targets} == {OTHER.target_id}
    assert len(history.other_targets) == 3


def test_similar_workloads_are_of_the_same_operator_the_nearest_and_their_fastest_first(store: MemoryStore) -> None:
    similar = [one.decisions.decode() for one in recall(store, TUNED, TARGET).similar]
    assert similar[0] == f'[[1,"{NEAR.name} 5"]]'
    assert similar[4] == f'[[1,"{FAR.name} 5"]]'
    assert len(similar) == 8
    assert not any("softmax" in one for one in similar)


def test_what_is_known_on_another_target_only_is_taken_from_there(store: MemoryStore) -> None:
    assert recall(store, TUNED, OTHER).similar == recall(store, TUNED, TARGET).similar


def test_a_new_workload_has_similar_ones_only_and_an_empty_store_nothing(store: MemoryStore) -> None:
    new = dataclasses.replace(workload("matmul 1x64x64x64 float32"))
    history = recall(store, new, TARGET)
    assert not history.trials
    assert not history.other_targets
    assert len(history.similar) == 2 + 4 + 4  # good schedules of the three matmuls
    assert len(recall(MemoryStore(), new, TARGET)) == 0


def test_bundled_schedules_stand_behind_the_stores_own(store: MemoryStore) -> None:
    def bundled(of: Workload, target: Target) -> BestSchedules:
        return BestSchedules(
            of.workload_id, of.name, of.family, of.epilogue, of.extents, target, (Trace(b"[]", target.arch.encode()),)
        )

    nearer = workload("matmul 1x128x128x130 float32")
    rows = [bundled(nearer, GPU_LIKE), bundled(nearer, OTHER), bundled(NEAR, OTHER), bundled(UNLIKE, TARGET)]
    similar = [one.decisions.decode() for one in recall(store, TUNED, OTHER, rows).similar]

    assert similar[0] == "rocketlake"  # for this very target, not the first of all
    assert similar[1] == f'[[1,"{NEAR.name} 5"]]'  # of it the store has four, which come first
    assert len(similar) == 1 + 4 + 4
    assert recall(MemoryStore(), TUNED, TARGET, rows).similar == (rows[0].traces[0], rows[2].traces[0])


def test_the_workloads_own_schedules_may_be_bundled(store: MemoryStore) -> None:
    row = BestSchedules(
        TUNED.workload_id, TUNED.name, TUNED.family, TUNED.epilogue, TUNED.extents, OTHER, (Trace(b"[]", b"shipped"),)
    )
    history = recall(store, TUNED, TARGET, [row])

    assert history.similar[0].decisions == b"shipped"
    assert len(history.trials) == 3


def test_latencies_under_other_conditions_say_nothing(store: MemoryStore) -> None:
    flushed = conditions_of(caches="flushed")
    history = recall(store, TUNED, TARGET, conditions=flushed)
    assert history.trials == history.other_targets == ()
    assert len(history.similar) == 2 + 8  # whose latencies nobody compares; the workload's own best come first
    assert history.similar[0].decisions == f'[[1,"{TUNED.name} 2"]]'.encode()

    again = dataclasses.replace(trial(TUNED, TARGET, 9, 4e-3), conditions=flushed)
    store.append([again])
    assert recall(store, TUNED, TARGET, conditions=flushed).trials == (again,)
    assert len(recall(store, TUNED, TARGET).trials) == 3
