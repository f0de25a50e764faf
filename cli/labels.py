"""Short names of targets and machines for tables and progress; JSON output has the whole thing.

Names of different ones that stand in one table always differ: to what would be alike, the fewest fields are added that
tell them apart.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from tunedb.program.targets import brief, target_label
from tunedb.records import DEFAULT_CONDITIONS, Hardware, Target, Verdict

__all__ = [
    "SHORT_HASH",
    "hardware_label",
    "hardware_labels",
    "measured_label",
    "short",
    "target_label",
    "target_labels",
    "verified_label",
]

SHORT_HASH = 12
"""Digits of a hash in text output: enough to be unique in practice, and any unique prefix is understood."""

_MOST_CHOSEN = 3  # fields: where no three of them tell all apart, all that differ are given


def short(identity: str) -> str:
    """The start of a hash."""
    return identity[:SHORT_HASH]


def measured_label(target: str, conditions: str) -> str:
    """A target's name, and how measurements of it differed from those like any other."""
    if conditions == DEFAULT_CONDITIONS:
        return target
    told = ", ".join(f"{name}={value}" for name, value in json.loads(conditions).items())
    return f"{target} ({told})"


def verified_label(verdict: Verdict | None, *, told: bool = False) -> str:
    """Whether a schedule computes what the untuned program does: "yes", "no" or "unknown".

    Args:
        verdict: the one that holds; None where nothing is known.
        told: whether to say what was found, and when.
    """
    if verdict is None:
        return "unknown"
    label = "yes" if verdict.agrees else "no"
    if not told:
        return label
    seen = f" with arguments {verdict.arguments}" if verdict.arguments else ""
    return (
        f"{label}: deviates from the untuned program by {verdict.deviation:.0e}{seen}, "
        f"{verdict.allowed_deviation:.0e} allowed; found on {verdict.found_at:%Y-%m-%d} with TVM {verdict.tvm_version}"
    )


def target_labels(targets: Iterable[Target]) -> dict[str, str]:
    """A name for each of the targets of one table, by its id."""
    rows = {row.target_id: row for row in targets}
    return _distinct(
        {key: target_label(row) for key, row in rows.items()},
        {key: json.loads(row.text) for key, row in rows.items()},
    )


def hardware_label(hardware: Hardware | None) -> str:
    """The machine's name and cores."""
    if hardware is None:
        return "unknown"
    return hardware.name if hardware.num_cores is None else f"{hardware.name} ({hardware.num_cores} cores)"


def hardware_labels(machines: Iterable[Hardware]) -> dict[str, str]:
    """A name for each of the machines of one table, by its id."""
    rows = {row.hardware_id: row for row in machines}
    fields = {key: dataclasses.asdict(row) for key, row in rows.items()}
    return _distinct(
        {key: hardware_label(row) for key, row in rows.items()},
        {key: {name: row[name] for name in row if name != "hardware_id"} for key, row in fields.items()},
    )


def _distinct(names: Mapping[str, str], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Names, no two of them alike.

    Args:
        names: by id.
        fields: what is known of each, by id.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        alike[name].append(key)
    found = dict(names)
    for keys in alike.values():
        if len(keys) > 1:
            added = _differing({key: fields[key] for key in keys})
            found.update({key: f"{names[key]} {added[key]}".rstrip() for key in keys})
    taken: dict[str, list[str]] = defaultdict(list)
    for key, name in found.items():
        taken[name].append(key)
    return {key: name if len(taken[name]) == 1 else f"{name} {short(key)}" for key, name in found.items()}


def _differing(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The fewest, then the shortest fields that tell things apart: "max_num_threads=64"."""
    names = sorted({name for row in fields.values() for name in row})
    told = {name: _texts({key: row.get(name) for key, row in fields.items()}) for name in names}
    told = {name: texts for name, texts in told.items() if len(set(texts.values())) > 1}
    for number in range(1, _MOST_CHOSEN + 1):
        choices = [
            rows
            for chosen in combinations(told, number)
            for rows in [_joined(told, chosen, fields)]
            if len(set(rows.values())) == len(fields)
        ]
        if choices:
            return min(choices, key=lambda rows: sum(map(len, rows.values())))
    return _joined(told, tuple(told), fields)


def _joined(told: Mapping[str, Mapping[str, str]], chosen: Iterable[str], keys: Iterable[str]) -> dict[str, str]:
    return {key: " ".join(f"{name}={told[name][key]}" for name in chosen) for key in keys}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as short texts, as many as there are values."""
    whole = {key: json.dumps(value, separators=(",", ":"), sort_keys=True) for key, value in values.items()}
    texts = {key: brief(value) for key, value in values.items()}
    return texts if len(set(texts.values())) == len(set(whole.values())) else whole
