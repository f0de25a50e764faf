"""Candidates that are drawn for a GPU pass TVM's postprocessors, which refuse nearly all that TVM draws itself."""

from typing import Any

import pytest

from benchmarks import gpu_programs as programs

pytestmark = pytest.mark.tvm


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_what_is_drawn_passes(name: str) -> None:
    spaces = programs.spaces_of(programs.context_of(programs.PROGRAMS[name]()))
    found = spaces.sample(32)
    funnel = spaces.funnel
    assert (funnel.sampled, len(found)) == (32, funnel.valid)
    assert funnel.valid >= 0.95 * funnel.sampled, funnel
    assert len({candidate.key for candidate in found}) > 8
    assert {candidate.space for candidate in found} == set(range(len(spaces)))


def test_without_limits_most_of_a_product_is_refused() -> None:
    context = programs.context_of(programs.PROGRAMS["matmul"]())
    spaces = programs.spaces_of(context)
    spaces._tilings = [() for _ in spaces.traces]  # as TVM draws them
    spaces.sample(30)
    assert spaces.funnel.refused["VerifyGPUCode"] > 15


@pytest.mark.parametrize("name", ["matmul", "matmul, float16"])
def test_changes_of_candidates_pass_as_well(name: str) -> None:
    spaces = programs.spaces_of(programs.context_of(programs.PROGRAMS[name]()))
    parents = spaces.sample(6)
    before = spaces.funnel
    changed = spaces.vary(parents, 24) + spaces.neighbours(parents[0])[:8]
    assert len(changed) == 32
    made = spaces.make(changed)
    spaces.mutate(parents, 8)
    tried = spaces.funnel.sampled - before.sampled
    assert 32 <= tried <= 40
    assert sum(one is not None for one in made) >= 31
    assert spaces.funnel.valid - before.valid >= 0.95 * tried


@pytest.mark.parametrize("tag", ["nvidia/geforce-gtx-1080-ti", "nvidia/nvidia-t4", "nvidia/nvidia-a100"])
def test_other_gpus_get_what_they_can_run(tag: str) -> None:
    spaces = programs.spaces_of(programs.context_of(programs.product(256, 256, 256, "float16"), tag))
    spaces.sample(16)
    assert spaces.funnel.valid >= 15


def test_code_can_be_generated_for_all_that_is_drawn() -> None:
    """Of rows that do not end after three elements TVM fetches no three at once: it fails while it builds."""
    from tvm.ir import save_json

    from search.measure.workers import built_module

    context = programs.context_of(programs.PROGRAMS["batch matmul"]())
    for candidate in programs.spaces_of(context).sample(48):
        assert built_module(save_json(candidate.schedule.mod), str(context.target)) is not None


def test_a_cpu_has_no_such_limits(context: Any) -> None:
    spaces = programs.spaces_of(context)
    assert spaces._gpu is None
    assert all(not tilings for tilings in spaces._tilings)


def test_a_program_too_small_for_a_warp_is_left_to_tvm() -> None:
    spaces = programs.spaces_of(programs.context_of(programs.product(2, 4, 8)))
    assert spaces.sample(6) is not None
    assert spaces.funnel.sampled == 6
