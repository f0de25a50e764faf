"""Model-accuracy regression tests: figures against a baseline file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from costmodels.evaluation.splits import Figure
from tunedb.errors import BadInputError, NotFoundError

_BETTER_LOW = ("rmse",)
_OF_ONE_WORKLOAD = 4.0  # a workload's figure may fall by so many times a mean's tolerance: it is one pool
_TOLERANCES = {"top1": 0.05, "top5": 0.02, "top16": 0.01, "peak1": 0.05, "peak5": 0.04, "pairwise": 0.02}
_TOLERANCE = 0.05
_OF_WORKLOADS = ("top16", "pairwise", "spearman")  # the others jump when two candidates of one pool change places


class BaselineRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure that must not fall."""

    split: str
    model: str
    target_id: str
    metric: str
    workload: str | None
    value: float
    tolerance: float


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a baseline file holds."""

    rows: list[BaselineRow]


@dataclass(frozen=True, slots=True)
class Fall:
    """A figure that is worse than the baseline allows."""

    expected: BaselineRow
    found: float | None  # None: the figure is gone

    def __str__(self) -> str:
        row = self.expected
        what = f"{row.split}, {row.model}, {row.metric}, {row.workload or 'mean over workloads'}"
        if self.found is None:
            return f"{what}: there is no such figure any more; the baseline has {row.value:.3f}"
        return f"{what}: {self.found:.3f}, where the baseline has {row.value:.3f} and allows {row.tolerance:.3f}"


def read_baseline(path: str | Path) -> Baseline:
    """Reads a baseline.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no baseline.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"{file}: no such baseline; --update-baseline writes it")
    try:
        return msgspec.json.decode(file.read_bytes(), type=Baseline)
    except msgspec.MsgspecError as error:
        raise BadInputError(f"{file}: not a baseline: {error}") from error


def write_baseline(path: str | Path, figures: Sequence[Figure], model: str) -> None:
    """Writes the figures of a model as a baseline, with the usual tolerances; they can be edited."""
    rows = [
        BaselineRow(
            row.split,
            row.model,
            row.target_id,
            row.metric,
            row.workload_id,
            row.value,
            _TOLERANCES.get(row.metric, _TOLERANCE) * (1.0 if row.workload_id is None else _OF_ONE_WORKLOAD),
        )
        for row in figures
        if row.model == model and (row.workload_id is None or row.metric in _OF_WORKLOADS)
    ]
    Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(Baseline(rows)), indent=1) + b"\n")


def falls(baseline: Baseline, figures: Sequence[Figure]) -> list[Fall]:
    """The figures that are worse than a baseline by more than their tolerance, or gone."""
    found = {(row.split, row.model, row.target_id, row.metric, row.workload_id): row.value for row in figures}
    fallen = []
    for row in baseline.rows:
        value = found.get((row.split, row.model, row.target_id, row.metric, row.workload))
        if value is None:
            fallen.append(Fall(row, None))
        elif (value - row.value if row.metric in _BETTER_LOW else row.value - value) > row.tolerance:
            fallen.append(Fall(row, value))
    return fallen
