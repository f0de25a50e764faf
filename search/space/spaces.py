"""A task's design spaces: sampling their decisions, changing them, and replaying them into candidates.

A design space is a trace with open decisions; a task has several (with and without cache writes, with and without
rfactor, ...). A candidate is one design space with all decisions made, replayed on the task's module and through the
target's postprocessors.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tvm_ffi
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule import _ffi_api
from tvm.s_tir.schedule import Trace

from costmodels.features.loops import PACKING
from search.space.decisions import CATEGORICAL, TILE, Decisions, carried_over, decision_key, encoded, read_decisions
from search.space.fast_replay import FastReplay
from search.space.funnel import NOT_APPLICABLE, NOT_TENSORIZED, Funnel, FunnelCount
from search.space.mutation import crossed, neighbours, varied
from search.space.small import is_too_small, without_threads
from search.space.tiling import limits_of, tilings_of
from tunedb import records
from tunedb.metaschedule.replay import recorded_trace

_MAX_SEED = 2**31 - 1
_CROSSED_SHARE = 0.3
_PACKING = "RewriteLayout"
_TRIED_OF_EACH = 8  # changes for each that is asked for, where most leave the limits of the target


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A replayed candidate: what can be featurised, built and run."""

    trace: Any  # tvm Trace without its postprocessors' part: what mutators take
    schedule: Any  # tvm Schedule after the postprocessors
    key: int  # structural hash of the scheduled module: equal programs have equal keys
    space: int = 0  # number of its design space
    decisions: Decisions = field(default_factory=dict)  # by the place of their instruction
    is_verified: bool = True  # TVM itself made it of these decisions; not yet known after a fast replay
    is_packed: bool = True  # its constants are; see `DesignSpaces.put_off_packing`

    @property
    def encoding(self) -> np.ndarray:
        """Its decisions as numbers [k]; k is one of its design space."""
        return encoded(self.decisions)

    def measure_candidate(self) -> Any:
        """MetaSchedule's form of it."""
        mod = self.schedule.mod
        args = ms.arg_info.ArgInfo.from_entry_func(mod, remove_preproc=True)
        return ms.MeasureCandidate(self.schedule, args)


class DesignSpaces:
    """All design spaces of one task.

    Args:
        context: The task's tune context; its space generator gives postprocessors and mutators.
        schedules: The design spaces as MetaSchedule generated them.
        rng: The source of all randomness here.
    """

    def __init__(self, context: Any, schedules: Sequence[Any], rng: np.random.Generator) -> None:
        self.context = context
        self._mod = context.mod
        self._rng = rng
        cores = len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(max_workers=cores) if cores > 1 else None
        self.traces: list[Any] = [schedule.trace.simplified(True) for schedule in schedules]
        if is_too_small(context.mod, int(context.target.attrs.get("num-cores", 1))):
            self.traces = [without_threads(trace) for trace in self.traces]
        self._blank = Schedule(context.mod, seed=1, debug_mask=0, error_render_level="none")
        self._fast = [FastReplay(trace) for trace in self.traces]
        self._places = [[place for place, inst in enumerate(trace.insts) if _is_open(inst)] for trace in self.traces]
        self._forms = [_form(trace) for trace in self.traces]
        self._limits = [_innermost_limits(trace) for trace in self.traces]
        self._choices = [_categories(trace) for trace in self.traces]
        self._tensorizes = [_tensorizes(trace) for trace in self.traces]
        self._gpu = limits_of(context.target)
        self._tilings = [() if self._gpu is None else tilings_of(trace, context.mod) for trace in self.traces]
        self._count = FunnelCount()
        self._seen_choices: list[dict[int, set[int]]] = [defaultdict(set) for _ in self.traces]
        self._examples: dict[int, Decisions] = {}
        generator = context.space_generator
        self._postprocs = list(generator.postprocs or [])
        self._packing: Any = None  # the last of them, while it is put off
        mutators = dict(generator.mutator_probs.items()) if generator.mutator_probs else {}
        # Sorted by name: the order of a map of objects differs between runs, and the same seed must propose the same.
        pairs = sorted(((str(m), m, float(p)) for m, p in mutators.items()), key=lambda pair: pair[0])
        self._mutators = [m for _, m, _ in pairs]
        weights = np.array([p for _, _, p in pairs], dtype=np.float64)
        self._mutator_probs = weights / weights.sum() if len(weights) else weights

    def __len__(self) -> int:
        return len(self.traces)

    def put_off_packing(self) -> None:
        """Leaves constants of candidates as they are until `verified`: to pack them takes as long as all else."""
        if self._postprocs and _PACKING in str(self._postprocs[-1]):
            self._packing = self._postprocs.pop()

    def pack(self, candidate: Candidate) -> Any:
        """The schedule of a candidate, its constants packed in place."""
        if not candidate.is_packed and not _is_packed(candidate.schedule.trace):
            self._packing.apply(candidate.schedule)
        return candidate.schedule

    @property
    def target_kind(self) -> str:
        """The kind of target that candidates are for, such as "llvm"."""
        return str(self.context.target.kind.name)

    @property
    def funnel(self) -> Funnel:
        """How many candidates were tried so far, and what refused them."""
        return self._count.funnel

    def seed(self) -> int:
        """A fresh seed for TVM, which takes them in [1, 2^31 - 1]."""
        return int(self._rng.integers(1, _MAX_SEED))

    def sample(self, number: int) -> list[Candidate]:
        """Up to `number` random candidates, an equal share of each design space; invalid ones are dropped.

        For a GPU, tiles are drawn within its limits; all other decisions are TVM's to draw.
        """
        spaces = [i % len(self.traces) for i in range(number)]
        drawn = {i: iter(self._drawn(i, spaces.count(i))) for i in sorted(set(spaces))}
        return _valid(self._replay_all([(i, self._decided(i, next(drawn[i], {})), self.seed()) for i in spaces]))

    def mutate(self, parents: Sequence[Candidate], number: int, weights: np.ndarray | None = None) -> list[Candidate]:
        """Up to `number` candidates that each differ from a parent by one or two of MetaSchedule's own mutations.

        These change annotations too, such as how far loops are parallel.

        Args:
            parents: The candidates to change.
            number: How many changes to try.
            weights: The probability [len(parents)] of each parent; equal when not given.
        """
        if not parents or not self._mutators:
            return []
        jobs = []
        for place in self._rng.choice(len(parents), size=number, p=weights):
            parent = parents[int(place)]
            trace = parent.trace
            for _ in range(1 + int(self._rng.random() < 0.3)):
                mutator = self._mutators[int(self._rng.choice(len(self._mutators), p=self._mutator_probs))]
                trace = _ffi_api.MutatorApply(mutator, trace, self.seed()) or trace
            if self._allows(parent.space, _decisions(trace)):
                jobs.append((parent.space, trace, self.seed()))
        return _valid(self._replay_all(jobs))

    def vary(
        self, parents: Sequence[Candidate], number: int, weights: np.ndarray | None = None
    ) -> list[tuple[int, Decisions]]:
        """So many changes of parents' decisions, each with its design space; nothing is replayed.

        For a GPU they may be fewer: what leaves its limits is left out.

        Args:
            parents: The candidates to change; two of one design space are crossed now and then.
            number: How many changes.
            weights: The probability [len(parents)] of each parent; equal when not given.
        """
        if not parents:
            return []
        made: list[tuple[int, Decisions]] = []
        numbers = {space: self._numbers(space) for space in {parent.space for parent in parents}}
        tried = number * (_TRIED_OF_EACH if any(self._tilings) else 1)
        for one, other in self._rng.choice(len(parents), size=(tried, 2), p=weights):
            if len(made) == number:
                break
            parent, mate = parents[int(one)], parents[int(other)]
            base: Decisions = parent.decisions
            if mate.space == parent.space and mate is not parent and self._rng.random() < _CROSSED_SHARE:
                base = crossed(base, mate.decisions, self._rng)
            limits = self._limits[parent.space]
            child = varied(base, numbers[parent.space], limits, self._rng)
            if self._allows(parent.space, child):
                made.append((parent.space, child))
        return made

    def neighbours(self, candidate: Candidate) -> list[tuple[int, Decisions]]:
        """All decisions one smallest step away from a candidate's, with its design space; nothing is replayed."""
        space = candidate.space
        found = neighbours(candidate.decisions, self._numbers(space), self._limits[space])
        return [(space, decisions) for decisions in found if self._allows(space, decisions)]

    def make(self, wanted: Iterable[tuple[int, Decisions]]) -> list[Candidate | None]:
        """Candidates with these decisions, repaired by TVM, each of a design space; None where they are not valid."""
        # Nothing is left to be drawn: any seed will do.
        return self._replay_all([(space, self._decided(space, decisions), 1) for space, decisions in wanted])

    def replay_fast(self, wanted: Iterable[tuple[int, Decisions]]) -> list[Candidate | None]:
        """Like `make`, and sooner where the design space allows a fast replay: what that gives is not verified."""
        return self._run_all(lambda job: self._replayed_fast(*job), wanted)

    def verified(self, candidates: Sequence[Candidate]) -> list[Candidate | None]:
        """What TVM makes of the decisions of candidates, constants packed; they may be other programs, or None."""
        return self._run_all(self._verified, candidates)

    def _verified(self, candidate: Candidate) -> Candidate | None:
        made: Candidate | None = candidate
        if not candidate.is_verified:
            made = self.replay(candidate.space, candidate.trace, 1, is_counted=False)
        if made is None or made.is_packed:
            return made
        self.pack(made)
        return replace(made, is_packed=True)

    def replay_recorded(self, recorded: Iterable[records.Trace]) -> list[Candidate | None]:
        """Candidates with the decisions of recorded traces, of this task or of one like it, fitted to its extents.

        None for those of no design space of this task, and for those that are not valid here.
        """
        fitted = [self._fitted(trace) for trace in recorded]
        made = iter(self.make(wanted for wanted in fitted if wanted is not None))
        return [None if wanted is None else next(made) for wanted in fitted]

    def replay_similar(self, recorded: Iterable[records.Trace]) -> list[Candidate]:
        """The same of tasks like this one, each different candidate once, those left out that are not valid."""
        fitted = [self._fitted(trace) for trace in recorded]
        different = {(one[0], decision_key(one[1])): one for one in reversed(fitted) if one is not None}
        return _valid(self.make(reversed(different.values())))

    def replay(self, space: int, trace: Any, seed: int, *, is_counted: bool = True) -> Candidate | None:
        """The candidate of a trace, open decisions drawn with `seed`; None when it is not valid on this target."""
        schedule = self._applied(trace, seed)
        if schedule is None:
            if is_counted:
                self._count.add(NOT_APPLICABLE)
            return None
        decided = schedule.trace  # decisions as TVM repaired and completed them
        decisions = self._read(space, decided)
        made = Trace(decided.insts, decided.decisions)
        return self._finished(space, schedule, made, decisions, is_counted=is_counted)

    def _applied(self, trace: Any, seed: int) -> Any:
        """The schedule of a trace, before the postprocessors; None when a primitive refuses."""
        schedule = self._fresh(seed)
        try:
            trace.apply_to_schedule(schedule, remove_postproc=True)
        except Exception:  # TVM raises its own type for each
            return None
        return schedule

    def _replayed_fast(self, space: int, decisions: Decisions) -> Candidate | None:
        fast = self._fast[space]
        trace = self._decided(space, decisions)
        schedule = fast.schedule(self._fresh(1), decisions) if fast.exists else None
        if schedule is None:
            return self.replay(space, trace, 1)
        return self._finished(space, schedule, trace, decisions, is_verified=False)

    def _fresh(self, seed: int) -> Any:
        """A schedule of the task to which nothing is done yet: a copy, as looking at the blocks takes longer."""
        schedule = self._blank.copy()
        schedule.seed(seed)
        return schedule

    def _read(self, space: int, trace: Any) -> Decisions:
        """The decisions of a trace of a design space, by place, as plain numbers and lists."""
        insts, decided = trace.insts, trace.decisions
        try:
            return {place: _plain(decided[insts[place]]) for place in self._places[space]}
        except (KeyError, IndexError):
            return _decisions(trace)

    def _finished(
        self,
        space: int,
        schedule: Any,
        trace: Any,
        decisions: Decisions,
        *,
        is_verified: bool = True,
        is_counted: bool = True,
    ) -> Candidate | None:
        """The candidate of a schedule that the postprocessors have not seen; None when one of them refuses it."""
        schedule.enter_postproc()
        refusing = next((postproc for postproc in self._postprocs if not postproc.apply(schedule)), None)
        refused_by = None if refusing is None else type(refusing).__name__
        if refusing is None and self._tensorizes[space] and not _is_tensorized(schedule.trace):
            refused_by = NOT_TENSORIZED
        if is_counted:
            self._count.add(refused_by)
        if refused_by is not None:
            return None
        key = int(tvm_ffi.structural_hash(schedule.mod))
        return Candidate(trace, schedule, key, space, decisions, is_verified, self._packing is None)

    def _drawn(self, space: int, number: int) -> list[Decisions]:
        """Up to so many random decisions about a design space's tiles, within the limits of a GPU; none for a CPU."""
        if self._gpu is None or not self._tilings[space]:
            return []
        of_blocks = [tiling.draw(number, self._gpu, self._rng) for tiling in self._tilings[space]]
        return [
            {key: one for block in blocks for key, one in block.items()} for blocks in zip(*of_blocks, strict=False)
        ]

    def _allows(self, space: int, decisions: Decisions) -> bool:
        """Whether decisions keep within the limits of a GPU, as far as that can be told before they are replayed."""
        return self._gpu is None or all(tiling.allows(decisions, self._gpu) for tiling in self._tilings[space])

    def _decided(self, space: int, decisions: Decisions) -> Any:
        """A design space's trace with decisions."""
        instructions = list(self.traces[space].insts)
        return Trace(instructions, {instructions[place]: value for place, value in decisions.items()})

    def close(self) -> None:
        """Ends the replaying threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def domain(self, space: int) -> tuple[Decisions, dict[int, list[int]], dict[int, int]]:
        """What a design space leaves open.

        Returns:
            Some decisions of it by place, whose tiles tell the extents; values seen of those that are numbers;
            largest innermost factors of tiles.
        """
        self._replay_all([(space, Trace(self.traces[space].insts, {}), self.seed()) for _ in range(16)])
        return self._example(space), self._numbers(space), self._limits[space]

    def _numbers(self, space: int) -> dict[int, list[int]]:
        """Values that decisions which are numbers may take, by place: categories, and locations seen so far."""
        return {**{k: sorted(v) for k, v in self._seen_choices[space].items()}, **self._choices[space]}

    def _fitted(self, recorded: records.Trace) -> tuple[int, Decisions] | None:
        decided = read_decisions(recorded)
        if decided is None or decided.form not in self._forms:
            return None
        space = self._forms.index(decided.form)
        fitted = carried_over(decided.decisions, self._example(space), self._limits[space])
        return None if fitted is None else (space, fitted)

    def _example(self, space: int) -> Decisions:
        """Some decisions of a design space; empty when no sample can be drawn.

        They tell extents: whether the target takes the program, as a GPU takes few, is another question.
        """
        if space not in self._examples:
            drawn = (self._applied(Trace(self.traces[space].insts, {}), seed) for seed in range(1, 17))
            schedule = next((schedule for schedule in drawn if schedule is not None), None)
            self._examples[space] = {} if schedule is None else _decisions(schedule.trace)
        return self._examples[space]

    def _replay_all(self, jobs: Iterable[tuple[int, Any, int]]) -> list[Candidate | None]:
        return self._run_all(lambda job: self.replay(*job), jobs)

    def _run_all(self, make: Callable[[Any], Candidate | None], jobs: Iterable[Any]) -> list[Candidate | None]:
        made = list(map(make, jobs) if self._threads is None else self._threads.map(make, jobs))
        for candidate in _valid(made):
            for place, decided in candidate.decisions.items():
                if isinstance(decided, int):
                    self._seen_choices[candidate.space][place].add(decided)
        return made


def _valid(candidates: Iterable[Candidate | None]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate is not None]


def _form(trace: Any) -> tuple[tuple[str, ...], ...]:
    """What tells a design space from others, whatever the extents."""
    decided = read_decisions(recorded_trace(trace))
    assert decided is not None  # it is MetaSchedule's own
    return decided.form


def _is_open(inst: Any) -> bool:
    """Whether an instruction makes a decision."""
    return str(inst.kind.name).startswith("Sample")


def _innermost_limits(trace: Any) -> dict[int, int]:
    """Largest innermost factor of each tile, by place."""
    return {place: int(inst.attrs[1]) for place, inst in enumerate(trace.insts) if str(inst.kind.name) == TILE}


def _categories(trace: Any) -> dict[int, list[int]]:
    """Numbers that a choice among categories may take, by place."""
    return {
        place: list(range(len(inst.attrs[0])))
        for place, inst in enumerate(trace.insts)
        if str(inst.kind.name) == CATEGORICAL
    }


def _tensorizes(trace: Any) -> bool:
    """Whether a design space has a block that is to become an instruction of the hardware."""
    return any(
        str(inst.kind.name) == "Annotate" and str(inst.attrs[0]) == "meta_schedule.auto_tensorize"
        for inst in trace.insts
    )


def _is_tensorized(trace: Any) -> bool:
    """Whether one became such: where its pattern does not match, TVM's postprocessor leaves the block as it is."""
    return any(str(inst.kind.name) == "Tensorize" for inst in trace.insts)


def _is_packed(trace: Any) -> bool:
    """Whether a trace ends with what packs constants."""
    return any(str(inst.kind.name) == "Annotate" and str(inst.attrs[0]) == PACKING for inst in trace.insts)


def _decisions(trace: Any) -> Decisions:
    """A trace's decisions by place, as plain numbers and lists."""
    decided = trace.decisions
    return {place: _plain(decided[inst]) for place, inst in enumerate(trace.insts) if inst in decided}


def _plain(value: Any) -> list[int] | int:
    return int(value) if isinstance(value, int) or hasattr(value, "value") else [int(factor) for factor in value]
