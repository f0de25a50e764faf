"""What surrounds measurements on this machine: how its processors lie, and whether it is busy with something else.

It is said once before a run and once during it, and stored with the run. Trials stay as they are: their conditions are
what somebody asked for, and a busy machine is nothing of that kind.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from tunedb.machine.load import Load, load, times
from tunedb.machine.topology import Placed, brief, placed, processors

_LOG = logging.getLogger(__name__)

_SO = "; latencies may be too long, and are stored as measured"
_SLOW = 1.15  # times what the reference kernel took at best: noise explains less


class Surroundings:
    """Of one run. Whoever measures asks it before the first batch, and tells it of each.

    Args:
        num_threads: That a program runs on.
        best_secs: What the arithmetic reference kernel took at best in earlier runs on this machine; None: there are
            none.
        chosen: The processors that the run may use; None is all that this process may use.
        root: The folder in which `proc` and `sys` are looked for.
    """

    def __init__(
        self,
        num_threads: int = 1,
        best_secs: float | None = None,
        chosen: Collection[int] | None = None,
        root: Path = Path("/"),
    ) -> None:
        every = processors(root)
        self._root, self._best_secs, self._num_threads = root, best_secs, num_threads
        self._chosen = sorted(os.sched_getaffinity(0)) if chosen is None else sorted(chosen)
        self._num_processors = len(every) or os.cpu_count() or 1
        self.placed: Placed = placed(self._chosen, every)
        """How the processors lie."""
        self._first = times(self._chosen, root)
        self.before: Load = load(self._num_processors, root=root)
        """How busy the machine was before the run."""
        self._slowest = 1.0
        self._told: set[str] = set()  # kinds of signs
        self._has_told_during = False

    def begin(self) -> None:
        """Says what may surprise, before anything is measured."""
        if self._num_threads > 1:
            for sentence in self.placed.told():
                _LOG.warning("%s", sentence)
        signs = self.before.signs()
        self._told |= signs.keys()
        if signs:
            _LOG.warning("this machine is busy: %s%s", "; ".join(signs.values()), _SO)

    def measured(self, kernel_secs: float) -> None:
        """The arithmetic reference kernel took so long, with the batch that is to follow."""
        if self._best_secs is not None:
            self._slowest = max(self._slowest, kernel_secs / self._best_secs)
        new = [sign for kind, sign in self._during().items() if kind not in self._told]
        if new and not self._has_told_during:
            self._has_told_during = True
            _LOG.warning("this machine has become busy: %s%s", "; ".join(new), _SO)

    def detail(self) -> Mapping[str, object]:
        """How it began, for the run's source."""
        found: dict[str, object] = {
            "processors": brief(self.placed.processors),
            "cores": self.placed.cores,
            "nodes": brief(self.placed.nodes),
        }
        if self.before.load_average is not None:
            found["load_average"] = self.before.load_average
        return found

    def document(self) -> dict[str, object]:
        """All that is known of it in the end, for reports."""
        return {
            **self.detail(),
            "stolen": self._now().stolen,
            "kernel_times_its_best": None if self._best_secs is None else self._slowest,
            "busy_before": list(self.before.signs().values()),
            "busy_during": list(self._during().values()),
        }

    def _now(self) -> Load:
        return load(self._num_processors, self._first, times(self._chosen, self._root), self._root)

    def _during(self) -> dict[str, str]:
        own = self._num_threads + 1.0  # a candidate that runs, and what builds the next
        found = self._now().signs(own)
        if self._slowest > _SLOW:
            found["kernel"] = (
                f"the reference kernel takes {self._slowest:.2f} times what it took at best on this machine"
            )
        return found
