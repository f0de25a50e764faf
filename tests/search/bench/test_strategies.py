"""How a bench's strategies and seeds are written."""

from __future__ import annotations

import pytest

from search.bench.strategies import Strategy, parse_seeds, parse_strategies
from tunedb.errors import UsageError


def test_strategies_by_their_names() -> None:
    assert parse_strategies("bo, evolutionary,evolutionary:8,es+model,random") == [
        Strategy("bo", "bo"),
        Strategy("evolutionary", "evolutionary"),
        Strategy("evolutionary:8", "evolutionary", batch_size=8),
        Strategy("es+model", "evolutionary", with_model=True),
        Strategy("random", "random"),
    ]


def test_an_arm_may_have_trials_of_its_own() -> None:
    assert parse_strategies("bo@200,evolutionary:8@1216") == [
        Strategy("bo@200", "bo", trials=200),
        Strategy("evolutionary:8@1216", "evolutionary", batch_size=8, trials=1216),
    ]


def test_only_bo_has_predicted_schedules_for_what_was_never_measured() -> None:
    assert [one.predicts for one in parse_strategies("bo:4,evolutionary,es+model,random")] == [True, *[False] * 3]


@pytest.mark.parametrize(
    "text",
    ["", ",", "bo,bo", "es", "evolutionary:", "evolutionary:0", "evolutionary:x", "bo:²", "bo@", "bo@0", "bo@8:8"],
)
def test_what_is_no_strategy_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_strategies(text)


def test_seeds() -> None:
    assert parse_seeds("2,0, 1") == [2, 0, 1]
    for text in ("", "a", "1,1", "-1", "1,", str(2**53)):
        with pytest.raises(UsageError, match="whole numbers with commas"):
            parse_seeds(text)
