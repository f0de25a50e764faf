from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tvm


def matmul_context(target: Any, *sizes: int) -> Any:
    from tvm import te
    from tvm.ir import IRModule
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.meta_schedule.testing import te_workload

    from tunedb.metaschedule.replay import target_to_tvm

    function = te.create_prim_func(te_workload.matmul(*sizes)).with_attr("global_symbol", "main")
    return ms.TuneContext(
        mod=IRModule({"main": function}),
        target=target_to_tvm(target),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )


def spaces_of(context: Any, seed: int) -> Any:
    from search.space.spaces import DesignSpaces

    return DesignSpaces(context, context.generate_design_space(), np.random.default_rng(seed))


def test_samples_come_from_every_design_space_and_replay(context: Any) -> None:
    spaces = spaces_of(context, 0)
    found = spaces.sample(24)
    assert len(spaces) > 1
    assert len(found) > 12
    assert len({len(candidate.trace.insts) for candidate in found}) > 1
    again = spaces.replay(found[0].space, found[0].trace, seed=99)
    assert again is not None
    assert again.key == found[0].key  # all decisions are in the trace, none is drawn anew


def test_same_seed_same_candidates(context: Any) -> None:
    keys = []
    for _ in range(2):
        spaces = spaces_of(context, 5)
        samples = spaces.sample(12)
        keys.append([c.key for c in samples + spaces.mutate(samples, 12)])
    assert keys[0] == keys[1]
    other = spaces_of(context, 6)
    assert [c.key for c in other.sample(12)] != keys[0][:12]


def test_mutation_changes_few_decisions(context: Any) -> None:
    spaces = spaces_of(context, 1)
    parent = spaces.sample(4)[0]
    children = spaces.mutate([parent], 20)
    assert any(child.key != parent.key for child in children)
    for child in children:
        before, after = (sorted(map(str, c.trace.decisions.values())) for c in (parent, child))
        assert len(before) == len(after)


def test_a_candidate_becomes_a_measure_candidate(context: Any) -> None:
    candidate = spaces_of(context, 2).sample(4)[0].measure_candidate()
    assert [list(arg.as_json()[2]) for arg in candidate.args_info] == [[64, 64]] * 3


def test_recorded_decisions_come_back_as_the_same_program(context: Any) -> None:
    from tunedb.metaschedule.replay import recorded_trace

    spaces = spaces_of(context, 2)
    samples = spaces.sample(16)
    replayed = spaces.replay_recorded([recorded_trace(candidate.schedule.trace) for candidate in samples])
    assert [candidate and candidate.key for candidate in replayed] == [candidate.key for candidate in samples]


def test_schedules_of_another_size_are_fitted(context: Any, target: Any) -> None:
    from tunedb.metaschedule.replay import recorded_trace

    other = matmul_context(target, 96, 80, 128)
    foreign = [recorded_trace(candidate.schedule.trace) for candidate in spaces_of(other, 0).sample(12)]
    spaces = spaces_of(context, 0)
    replayed = [candidate for candidate in spaces.replay_recorded(foreign) if candidate is not None]
    assert len(replayed) >= len(foreign) // 2
    assert {int(np.prod(d)) for c in replayed for d in c.decisions.values() if isinstance(d, list)} == {64}


def test_changed_decisions_make_new_valid_programs(context: Any) -> None:
    spaces = spaces_of(context, 3)
    parents = spaces.sample(8)
    wanted = spaces.vary(parents, 40)
    made = [candidate for candidate in spaces.make(wanted) if candidate is not None]
    assert len(made) > 20
    assert len({candidate.key for candidate in made} - {candidate.key for candidate in parents}) > 10


def test_foreign_records_are_not_replayed(context: Any) -> None:
    from tunedb.records import Trace

    assert spaces_of(context, 0).replay_recorded([Trace(b"{}", b"[]"), Trace(b'[["Foo",[],[],[]]]', b"[]")]) == [
        None,
        None,
    ]


def test_what_a_gpu_measured_comes_back() -> None:
    from search.targets import parse_target
    from tunedb.metaschedule import intrinsics
    from tunedb.metaschedule.replay import recorded_trace

    target = parse_target("nvidia/nvidia-h100")
    intrinsics.register_for(target.kind, target.keys)
    context = matmul_context(target, 512, 512, 512)
    samples = spaces_of(context, 0).sample(24)
    assert len(samples) > 20
    replayed = spaces_of(context, 1).replay_recorded(
        [recorded_trace(candidate.schedule.trace) for candidate in samples]
    )
    assert [candidate and candidate.key for candidate in replayed] == [candidate.key for candidate in samples]


def test_where_the_instruction_does_not_fit_there_is_no_candidate() -> None:
    from tvm.ir import IRModule
    from tvm.s_tir import meta_schedule as ms
    from tvm.target import Target

    from search.networks.integers.programs import Shape, convolution
    from tunedb.metaschedule import intrinsics

    intrinsics.register_for("llvm")
    shape = Shape(1, 8, 8, 8, 16, (3, 3), padding=(1, 1, 1, 1))
    context = ms.TuneContext(
        mod=IRModule({"main": convolution(shape, 0).with_attr("global_symbol", "main")}),
        target=Target({"kind": "llvm", "mcpu": "cascadelake", "num-cores": 1}),
        space_generator="post-order-apply",
        num_threads=1,
        rand_state=1,
    )
    spaces = spaces_of(context, 0)
    found = spaces.sample(24)
    assert found
    assert all("Tensorize" in {str(inst.kind.name) for inst in one.schedule.trace.insts} for one in found)
    (padding,) = [place for place, value in found[0].decisions.items() if isinstance(value, int)][-1:]
    inlined = {**found[0].decisions, padding: -2}  # padding within the sum: no longer the instruction's pattern
    assert spaces.replay_fast([(found[0].space, inlined)]) == [None]
    assert spaces.make([(found[0].space, inlined)]) == [None]
