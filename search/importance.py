"""Which decisions of a design space a workload's latency depends on, by a random forest over the decoded decisions.

A decision's importance is how much worse the forest predicts held-out latencies once that decision is shuffled among
them: all factors of a tile at once, for none of them is free of the others (Breiman, "Random Forests", 2001, section
10). It is a share of the variance of log latency. A forest that predicts nothing has nothing to say of importance, so
its own share, R^2, is told beside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from search.space.decisions import CATEGORICAL, LOCATION, POSTPROC, TILE, encoded, read_decisions
from tunedb.query.latencies import latencies
from tunedb.records import Outcome, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 24  # schedules, below which a forest says nothing
_FOLDS, _TREES, _SHUFFLES = 3, 64, 3
_EQUAL = 1e-9  # nats
_ANNOTATION = "meta_schedule."
_PLACES = {-1: "root", -2: "inlined"}


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of a design space."""

    place: int  # of its instruction in the trace
    label: str  # "conv2d_nchw: tile of loop 3"
    options: tuple[str, ...] = ()  # what a categorical one chooses from
    is_place: bool = False  # whether it says at which loop a block is computed

    def text(self, decided: list[int] | int) -> str:
        """A value of it, for people: "2 x 4 x 1 x 7"."""
        if isinstance(decided, list):
            return " x ".join(map(str, decided))
        if self.is_place and decided in _PLACES:
            return _PLACES[decided]
        return self.options[decided] if 0 <= decided < len(self.options) else str(decided)


@dataclass(frozen=True, slots=True)
class Decided:
    """The schedules of one design space, the fastest first."""

    decisions: tuple[Decision, ...]
    values: tuple[tuple[list[int] | int, ...], ...]  # of each schedule, in the order of `decisions`
    secs: tuple[float, ...]
    trial_ids: tuple[str, ...]  # a trial of each
    num_other_spaces: int  # schedules of the workload's other design spaces
    num_unread: int  # good trials whose traces have no decisions that can be read


@dataclass(frozen=True, slots=True)
class Importance:
    """What the latency depends on."""

    shares: tuple[float, ...]  # of the variance of log latency, of each decision
    deviations: tuple[float, ...]  # over folds
    r2: float  # share of the variance that the forest predicts of held-out schedules


def decided(trials: Sequence[Trial]) -> Decided:
    """Decodes the schedules of the design space that most of some trials are of.

    Args:
        trials: of one workload, for one target, on one machine, under one kind of conditions; failed ones are left out.
    """
    known = latencies(trials)
    spaces: dict[Any, dict[str, tuple[float, Trial, dict[int, Any]]]] = defaultdict(dict)
    num_unread = 0
    for trial in trials:
        if trial.outcome is not Outcome.OK:
            continue
        read = read_decisions(trial.trace)
        if read is None or not read.decisions or not all(map(_is_sound, read.decisions.values())):
            num_unread += 1
            continue
        key = (read.form, tuple((at, _width(value)) for at, value in sorted(read.decisions.items())))
        schedule = repr(sorted(read.decisions.items()))
        spaces[key].setdefault(schedule, (known[trial.trial_id], trial, read.decisions))
    if not spaces:
        return Decided((), (), (), (), 0, num_unread)
    most = max(spaces.values(), key=len)
    rows = sorted(most.values(), key=lambda row: (row[0], row[1].trial_id))
    places = sorted(rows[0][2])
    return Decided(
        labelled(rows[0][1], places),
        tuple(tuple(row[2][place] for place in places) for row in rows),
        tuple(row[0] for row in rows),
        tuple(row[1].trial_id for row in rows),
        sum(map(len, spaces.values())) - len(rows),
        num_unread,
    )


def importance(found: Decided, seed: int = 0) -> Importance | None:
    """How much each decision matters.

    Args:
        found: the schedules.
        seed: of the forests, folds and shuffles.

    Returns:
        The importances; None where there are fewer than `LEAST` schedules, or all are equally fast.
    """
    logs = np.log(found.secs) if found.secs else np.empty(0)
    if len(logs) < LEAST or float(np.ptp(logs)) < _EQUAL:
        return None
    from sklearn.ensemble import RandomForestRegressor

    table, groups = columns(found)
    rng = np.random.default_rng(seed)
    fold_of = rng.permutation(len(logs)) % _FOLDS
    errors, explained = np.zeros((_FOLDS, len(found.decisions))), np.zeros(_FOLDS)
    for fold in range(_FOLDS):
        held = fold_of == fold
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, max_features=0.5, random_state=seed + fold, n_jobs=1)
        forest.fit(table[~held], logs[~held])
        mine, wanted = table[held], logs[held]
        spread = float(np.mean((wanted - logs[~held].mean()) ** 2)) or 1.0
        base = float(np.mean((forest.predict(mine) - wanted) ** 2))
        explained[fold] = 1.0 - base / spread
        for decision in range(len(found.decisions)):
            of_it = groups == decision
            if (mine[:, of_it] == mine[0, of_it]).all():
                continue
            shuffled = np.concatenate([_shuffled(mine, of_it, rng) for _ in range(_SHUFFLES)])
            risen = np.mean((forest.predict(shuffled) - np.tile(wanted, _SHUFFLES)) ** 2) - base
            errors[fold, decision] = risen / spread
    return Importance(
        tuple(map(float, errors.mean(axis=0))), tuple(map(float, errors.std(axis=0))), float(explained.mean())
    )


def columns(found: Decided) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The decisions as numbers [n, d], tiles as logarithms of their factors, and each column's decision [d]."""
    table = np.stack([encoded(dict(enumerate(row))) for row in found.values])
    groups = [number for number, value in enumerate(found.values[0]) for _ in range(_width(value) or 1)]
    return table, np.asarray(groups)


def _shuffled(table: NDArray[np.float64], chosen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """A table [n, d] with some columns of other rows."""
    made = table.copy()
    made[:, chosen] = table[rng.permutation(len(table))][:, chosen]
    return made


def _first(values: Sequence[Any]) -> str:
    return str(values[0]) if values else ""


def _is_sound(value: list[int] | int) -> bool:
    """Whether a decision is one: a tile has factors, of at least 1."""
    return not isinstance(value, list) or (bool(value) and min(value) >= 1)


def _width(value: list[int] | int) -> int:
    """How many factors a tile has; 0 for what is no tile."""
    return len(value) if isinstance(value, list) else 0


def labelled(trial: Trial, places: Sequence[int]) -> tuple[Decision, ...]:
    """What each decision is about, by the blocks, loops and annotations that the trace names.

    Args:
        trial: a trial whose trace `read_decisions` can read.
        places: of the decisions' instructions.
    """
    instructions = [
        (name, *(part if isinstance(part, list) else [] for part in parts))
        for name, *parts in msgspec.json.decode(trial.trace.instructions)
    ]
    blocks: dict[str, str] = {}
    loops: dict[str, str] = {}
    annotated: dict[str, str] = {}
    for name, inputs, attributes, outputs in instructions:
        if name == POSTPROC:
            break
        if name in ("GetSBlock", "GetBlock"):
            blocks |= dict.fromkeys(map(str, outputs), str(attributes[0]) if attributes else "block")
        elif name == "GetLoops" and inputs:
            block = blocks.get(str(inputs[0]), "block")
            loops |= {str(loop): f"{block}, loop {number}" for number, loop in enumerate(outputs, start=1)}
        elif name == "Annotate" and len(inputs) > 1 and attributes:
            annotated[str(inputs[1])] = str(attributes[0]).removeprefix(_ANNOTATION)
        elif outputs and inputs and str(inputs[0]) in blocks:  # a cache or a part of a block
            blocks |= dict.fromkeys(map(str, outputs), f"{blocks[str(inputs[0])]} ({name})")
    made = []
    for place in places:
        name, inputs, attributes, outputs = instructions[place]
        options: tuple[str, ...] = ()
        if name == TILE:
            label = f"tile of {loops.get(_first(inputs), 'a loop')}"
        elif name == CATEGORICAL:
            label = annotated.get(str(outputs[0]), "a choice") if outputs else "a choice"
            options = tuple(map(str, attributes[0])) if attributes and isinstance(attributes[0], list) else ()
        elif name == LOCATION:
            label = f"place of {blocks.get(_first(inputs), 'a block')}"
        else:
            label = str(name)
        made.append((place, label, options, name == LOCATION))
    many = Counter(label for _, label, *_ in made)
    return tuple(
        Decision(place, label if many[label] == 1 else f"{label} (instruction {place})", options, is_place)
        for place, label, options, is_place in made
    )
