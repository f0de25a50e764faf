"""The arms of a bench: strategies as a person writes them, and the seeds that each is run with.

`bo` is Bayesian optimization. `evolutionary` and `random` are stock MetaSchedule's, and `es+model` is stock's
evolutionary search with our cost model in the place of its own. `evolutionary:8` takes 8 trials an iteration, and
`evolutionary@1000` 1,000 trials in all, whatever the others take.
"""

from __future__ import annotations

from dataclasses import dataclass

from tunedb.errors import UsageError

_SEARCHES = {"bo": "bo", "evolutionary": "evolutionary", "random": "random", "es+model": "evolutionary"}
_LARGEST_SEED = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Strategy:
    """How an arm chooses what to measure."""

    name: str  # as it was asked for: "evolutionary:8@1000"
    search: str  # as `search.options.TuneOptions` names it
    with_model: bool = False  # whether stock's search ranks by our cost model
    batch_size: int | None = None  # trials an iteration; None is the strategy's own
    trials: int | None = None  # in all; None is what the bench gives every arm

    @property
    def predicts(self) -> bool:
        """Whether its library has predicted schedules for what was never measured; else these are TVM's own."""
        return self.search == "bo"


def parse_strategies(text: str) -> list[Strategy]:
    """Strategies in the order in which they are written.

    Args:
        text: Their names with commas between: "bo,evolutionary:8,es+model".

    Raises:
        UsageError: One is unknown or stands there twice, or there is none.
    """
    found = [_strategy(name.strip()) for name in text.split(",") if name.strip()]
    names = [one.name for one in found]
    if not found or len(set(names)) < len(names):
        raise UsageError(f"--strategies names each strategy once, such as bo,evolutionary, not {text!r}")
    return found


def parse_seeds(text: str) -> list[int]:
    """Seeds in the order in which they are written.

    Args:
        text: Whole numbers with commas between: "0,1,2".

    Raises:
        UsageError: One is none, is too large or stands there twice.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or len(set(found)) < len(found) or not all(0 <= seed <= _LARGEST_SEED for seed in found):
        raise UsageError(f"--seeds are whole numbers with commas between, each once, such as 0,1, not {text!r}")
    return found


def _strategy(name: str) -> Strategy:
    rest, at, trials = name.partition("@")
    base, colon, batch_size = rest.partition(":")
    search = _SEARCHES.get(base)
    if search is None:
        raise UsageError(f"unknown strategy {base!r}: choose among {', '.join(_SEARCHES)}, or evolutionary:8")
    if colon and not _is_count(batch_size):
        raise UsageError(f"{name}: after the colon stands how many trials an iteration has, such as {base}:8")
    if at and not _is_count(trials):
        raise UsageError(f"{name}: after the @ stands how many trials the arm has in all, such as {base}@1000")
    return Strategy(
        name, search, base == "es+model", int(batch_size) if colon else None, trials=int(trials) if at else None
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) >= 1
