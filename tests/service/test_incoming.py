"""What is pushed is what it says it is, or it is refused as a whole and nothing of it is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from service.incoming import TooMuchError, checked
from tests.tunedb.samples import AROUND, SOURCE, failed, trial, verdict
from tunedb.errors import BadInputError
from tunedb.store.batch import Batch, TrialColumns, TrialRows
from tunedb.store.http import wire
from tunedb.store.schema import TrialRow


def pushed(*trials: object, **more: object) -> wire.Push:
    rows = TrialColumns.of(TrialRows.of(trials))  # type: ignore[arg-type]
    (message,) = wire.pushes(Batch(rows, **{**AROUND, **more}))  # type: ignore[arg-type]
    push = wire.decode(message, wire.Push, "it")
    assert isinstance(push, wire.Push)
    return push


def check(push: wire.Push, depth: int = 64, rows: int = 1000) -> Batch:
    return checked(push, "board", most_rows=rows, depth=depth)


def test_a_batch_comes_through_whole() -> None:
    given = [trial(0), failed(1), trial(2, conditions='{"caches":"flushed"}')]
    batch = check(pushed(*given, verdicts=[verdict(0, float("inf"))]))
    assert batch.trials.trials() == given
    assert (batch.sender, batch.sources, batch.verdicts) == ("board", [SOURCE], [verdict(0, float("inf"))])


CHANGES: dict[str, Callable[[TrialRow], object]] = {
    "run times": lambda row: {"run_secs": (1e-6,)},
    "decisions": lambda row: {"decisions": b"[[1,[7,7,7,7]]]"},
    "machine": lambda row: {"hardware_id": "0" * 32},
    "no run time": lambda row: {"run_secs": ()},
    "negative": lambda row: {"run_secs": (-1.0,)},
    "not a number": lambda row: {"run_secs": (float("nan"),)},
    "outcome": lambda row: {"outcome": "splendid"},
    "id": lambda row: {"source_id": "../../etc/passwd"},
    "position": lambda row: {"position": -1},
    "arguments": lambda row: {"args_info": b"[" * 100},
    "deep": lambda row: {"args_info": b"[" * 100 + b"]" * 100},
    "conditions": lambda row: {"conditions": '{"b": 1}'},
    "instructions": lambda row: {"instructions_id": "1" * 32},
    "long": lambda row: {"error": "x" * 20_000},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_trial_that_is_not_what_it_says_is_refused(what: str) -> None:
    push = pushed(trial(0), trial(1))
    push.trials[1] = msgspec.structs.replace(push.trials[1], **CHANGES[what](push.trials[1]))  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="trial 1 "):
        check(push)


def test_what_trials_refer_to_is_what_it_says() -> None:
    for name in ("workloads", "modules", "targets", "hardware", "sources"):
        (row,) = AROUND[name]  # type: ignore[misc]
        field = {"workloads": "signature", "modules": "module_json", "targets": "text", "hardware": "name"}.get(
            name, "uri"
        )
        changed = dataclasses.replace(row, **{field: b"{}" if field == "module_json" else "another"})
        with pytest.raises(BadInputError, match="has another id"):
            check(pushed(**{name: [changed]}))
    with pytest.raises(BadInputError, match="has another id"):
        check(pushed(verdicts=[dataclasses.replace(verdict(0), deviation=0.0)]))


def test_too_many_rows_are_too_many() -> None:
    with pytest.raises(TooMuchError, match="2 trials, not 3"):
        check(pushed(trial(0), trial(1), trial(2)), rows=2)


def test_who_else_sent_it_is_not_believed() -> None:
    push = pushed(trial(0))
    push.deliveries = msgspec.convert([], type=list)
    assert check(push).deliveries == []


def test_a_large_batch_goes_in_pieces_that_can_be_sent_again() -> None:
    rows = TrialColumns.of(TrialRows.of([trial(number) for number in range(4_500)]))
    messages = list(wire.pushes(Batch(rows, **AROUND)))  # type: ignore[arg-type]
    found = [wire.decode(message, wire.Push, "it") for message in messages]
    assert [len(push.trials) for push in found] == [2_000, 2_000, 500]
    assert [len(push.sources) for push in found] == [1, 0, 0]
    assert all(check(push, rows=2_000) for push in found)
    assert list(wire.pushes(Batch())) == []
