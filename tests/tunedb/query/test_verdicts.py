"""Which verdict of a schedule holds."""

from __future__ import annotations

from tests.tunedb.samples import MACHINE, TARGET, WORKLOAD, trial, verdict
from tunedb.identity import trace_id
from tunedb.query.verdicts import standing, standing_verdicts
from tunedb.store.memory import MemoryStore

WRONG = 0.3


def test_the_newest_verdict_holds() -> None:
    right, later = verdict(0), verdict(0, 2e-6, day=1)
    assert standing([]) is None
    assert standing([right]) == right
    assert standing([right, later]) == later
    wrong = verdict(0, WRONG, day=2)
    assert standing([right, later, wrong]) == wrong


def test_what_is_wrong_stays_so_until_the_same_release_finds_otherwise() -> None:
    wrong = verdict(0, WRONG)
    elsewhere = verdict(0, day=1, tvm_version="0.28.0")
    assert standing([wrong, elsewhere]) == wrong
    again = verdict(0, day=2, hardware_id="another machine")
    assert MACHINE.hardware_id != again.hardware_id
    assert standing([wrong, elsewhere, again]) == again


def test_zeros_tell_nothing() -> None:
    zeros = verdict(0, 0.0, day=1, magnitude=0.0)
    assert standing([zeros]) is None
    assert standing([verdict(0, WRONG), zeros]) == verdict(0, WRONG)
    assert not verdict(0, float("inf")).agrees


def test_verdicts_are_of_schedules() -> None:
    store = MemoryStore()
    store.append_verdicts([verdict(0), verdict(1, WRONG), verdict(2, magnitude=0.0), verdict(3, target_id="other")])
    found = standing_verdicts(store, WORKLOAD.workload_id, TARGET.target_id)
    assert found == {trace_id(trial(0).trace): verdict(0), trace_id(trial(1).trace): verdict(1, WRONG)}
