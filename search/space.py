"""A task's design spaces: sampling their decisions, changing them, and replaying them into candidates.

A design space is a trace with open decisions; a task has several (with and without cache writes, with and without
rfactor, ...). A candidate is one design space with all decisions made, replayed on the task's module and through the
target's postprocessors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm_ffi
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule import _ffi_api
from tvm.s_tir.schedule import Trace

from search.decisions import TILE, carried_over, read_decisions
from tunedb import records

_MAX_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A replayed candidate: what can be featurised, built and run."""

    trace: Any  # tvm Trace without its postprocessors' part: what mutators take
    schedule: Any  # tvm Schedule after the postprocessors
    key: int  # structural hash of the scheduled module: equal programs have equal keys

    def measure_candidate(self) -> Any:
        """MetaSchedule's form of it."""
        mod = self.schedule.mod
        args = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
        return ms.MeasureCandidate(self.schedule, args)


class DesignSpaces:
    """All design spaces of one task.

    Args:
        context: the task's tune context; its space generator gives postprocessors and mutators.
        schedules: the design spaces as MetaSchedule generated them.
        rng: source of all randomness here.
    """

    def __init__(self, context: Any, schedules: Sequence[Any], rng: np.random.Generator) -> None:
        self._mod = context.mod
        self._rng = rng
        self._threads = ThreadPoolExecutor(max_workers=max(1, int(context.num_threads)))
        self.traces: list[Any] = [schedule.trace.simplified(True) for schedule in schedules]
        self._kinds = [tuple(str(inst.kind.name) for inst in trace.insts) for trace in self.traces]
        self._examples: dict[int, dict[int, Any]] = {}
        generator = context.space_generator
        self._postprocs = list(generator.postprocs or [])
        mutators = dict(generator.mutator_probs.items()) if generator.mutator_probs else {}
        # Sorted by name: the order of a map of objects differs between runs, and the same seed must propose the same.
        pairs = sorted(((str(m), m, float(p)) for m, p in mutators.items()), key=lambda pair: pair[0])
        self._mutators = [m for _, m, _ in pairs]
        weights = np.array([p for _, _, p in pairs], dtype=np.float64)
        self._mutator_probs = weights / weights.sum() if len(weights) else weights

    def __len__(self) -> int:
        return len(self.traces)

    def seed(self) -> int:
        """A fresh seed for TVM, which takes them in [1, 2^31 - 1]."""
        return int(self._rng.integers(1, _MAX_SEED))

    def sample(self, number: int) -> list[Candidate]:
        """Up to `number` random candidates, an equal share of each design space; invalid ones are dropped."""
        jobs = [
            (Trace(trace.insts, {}), self.seed())
            for trace in (self.traces[i % len(self.traces)] for i in range(number))
        ]
        return self._replay_all(jobs)

    def mutate(self, parents: Sequence[Candidate], number: int, weights: np.ndarray | None = None) -> list[Candidate]:
        """Up to `number` candidates that each differ from a parent in one or two decisions.

        Args:
            parents: whom to change.
            number: how many changes to try.
            weights: probability [len(parents)] of each parent; equal when not given.
        """
        if not parents or not self._mutators:
            return []
        jobs = []
        for parent in self._rng.choice(len(parents), size=number, p=weights):
            trace = parents[int(parent)].trace
            for _ in range(1 + int(self._rng.random() < 0.3)):
                mutator = self._mutators[int(self._rng.choice(len(self._mutators), p=self._mutator_probs))]
                trace = _ffi_api.MutatorApply(mutator, trace, self.seed()) or trace
            jobs.append((trace, self.seed()))
        return self._replay_all(jobs)

    def replay(self, trace: Any, seed: int) -> Candidate | None:
        """The candidate of a trace, open decisions drawn with `seed`; None when it is not valid on this target."""
        schedule = Schedule(self._mod, seed=seed, debug_mask=0, error_render_level="none")
        try:
            trace.apply_to_schedule(schedule, remove_postproc=True)
        except Exception:  # a primitive refused: TVM raises its own type for each
            return None
        decided = schedule.trace  # decisions as TVM repaired and completed them
        trace = Trace(list(decided.insts), dict(decided.decisions.items()))
        schedule.enter_postproc()
        if not all(postproc.apply(schedule) for postproc in self._postprocs):
            return None
        return Candidate(trace, schedule, int(tvm_ffi.structural_hash(schedule.mod)))

    def revive(self, recorded: Iterable[records.Trace]) -> list[Candidate | None]:
        """Candidates with the decisions of recorded traces, of this task or of one like it, fitted to its extents.

        None for those of no design space of this task, and for those that are not valid here.
        """
        jobs: list[tuple[Any, int] | None] = []
        for trace in recorded:
            decided = read_decisions(trace)
            number = self._kinds.index(decided.kinds) if decided and decided.kinds in self._kinds else None
            fitted = None
            if decided is not None and number is not None:
                instructions = self.traces[number].insts
                limits = {
                    place: int(instructions[place].attrs[1])
                    for place in decided.decisions
                    if self._kinds[number][place] == TILE
                }
                fitted = carried_over(decided.decisions, self._example(number), limits)
            if fitted is None or number is None:
                jobs.append(None)
                continue
            instructions = list(self.traces[number].insts)
            decisions = {instructions[place]: value for place, value in fitted.items()}
            jobs.append((Trace(instructions, decisions), 1))  # nothing is left to be drawn
        return list(self._threads.map(lambda job: None if job is None else self.replay(*job), jobs))

    def _example(self, number: int) -> dict[int, Any]:
        """Some decisions of a design space by place; empty when no sample of it is valid."""
        if number not in self._examples:
            trace = self.traces[number]
            samples = (self.replay(Trace(trace.insts, {}), seed) for seed in range(1, 17))
            found = next((candidate for candidate in samples if candidate is not None), None)
            self._examples[number] = {} if found is None else _decisions(found.trace)
        return self._examples[number]

    def close(self) -> None:
        """Ends the replaying threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _replay_all(self, jobs: Iterable[tuple[Any, int]]) -> list[Candidate]:
        return [found for found in self._threads.map(lambda job: self.replay(*job), jobs) if found is not None]


def _decisions(trace: Any) -> dict[int, Any]:
    """A trace's decisions by the place of their instruction, as plain numbers and lists."""
    decided = trace.decisions
    return {
        place: int(value)
        if isinstance(value := decided[inst], int) or hasattr(value, "value")
        else [int(v) for v in value]
        for place, inst in enumerate(trace.insts)
        if inst in decided
    }
