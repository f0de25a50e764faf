"""How many candidates were tried, and what refused them, before any was built."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

NOT_APPLICABLE = "not applicable"
"""What refuses a candidate when one of its schedule's steps cannot be done."""

NOT_TENSORIZED = "not tensorized"
"""What refuses a candidate when its block does not have the pattern of the hardware's instruction."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of a task's candidates."""

    sampled: int = 0  # replayed, whether drawn at random or changed from others
    refused: Mapping[str, int] = field(default_factory=dict)  # of these, by what refused them: a postprocessor's name

    @property
    def valid(self) -> int:
        """Those that nothing refused."""
        return self.sampled - sum(self.refused.values())


class FunnelCount:
    """Counts candidates; threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sampled = 0
        self._refused: Counter[str] = Counter()

    def add(self, refused_by: str | None) -> None:
        """One candidate more: what refused it, None where nothing did."""
        with self._lock:
            self._sampled += 1
            if refused_by is not None:
                self._refused[refused_by] += 1

    @property
    def funnel(self) -> Funnel:
        """The counts as they stand, the commonest cause first."""
        with self._lock:
            return Funnel(self._sampled, dict(self._refused.most_common()))
