"""A local table's log, read by hand: which of its commits and checkpoints are whole, and what can be read of the rest.

Delta Lake passes over an empty commit and over what a checkpoint sums up, and stops at anything else that is broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

LOG = "_delta_log"
REPAIRED = "REPAIR LOG"  # the operation of a commit in the place of one that was lost
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_PATH = re.compile(r"[A-Za-z0-9._-]+")  # of a file, as Delta Lake and we name them; others would be percent-encoded
_ACTIONS = {"commitInfo", "protocol", "metaData", "add", "remove", "txn", "cdc", "domainMetadata"}

Action = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """One commit's file."""

    path: Path
    actions: tuple[Action, ...]  # those that can be read
    fault: str  # why it is not whole; "" when it is


@dataclass(frozen=True, slots=True)
class Log:
    """A table's log as it lies there."""

    folder: Path  # of the table
    commits: Mapping[int, LoggedCommit] = field(default_factory=dict)  # by version
    checkpoints: Mapping[int, tuple[Action, ...]] = field(default_factory=dict)  # whole ones, by version
    broken: Mapping[Path, str] = field(default_factory=dict)  # checkpoints and their pointer, and why

    @property
    def newest(self) -> int:
        """The newest version that anything tells of; -1 where nothing does."""
        named = [int(found[1]) for path in self.broken if (found := _CHECKPOINT.fullmatch(path.name))]
        return max([-1, *self.commits, *self.checkpoints, *named])

    @property
    def summed_up(self) -> int:
        """The version of the newest whole checkpoint; -1 where there is none."""
        return max(self.checkpoints, default=-1)

    def lost(self) -> list[int]:
        """The versions whose commits are missing or not whole; not those before the oldest that a checkpoint needs."""
        whole = {version for version, commit in self.commits.items() if not commit.fault}
        first = min(self.commits, default=self.newest + 1) if self.checkpoints else 0
        first = min(first, self.summed_up + 1)
        return [version for version in range(first, self.newest + 1) if version not in whole]

    def faults(self) -> list[str]:
        """What is wrong with the log, for people."""
        found = [f"{path} {why}" for path, why in self.broken.items()]
        for version in self.lost():
            commit = self.commits.get(version)
            path = self.folder / LOG / f"{version:020}.json"
            found.append(f"the commit {path} {commit.fault if commit else 'is missing'}")
        if self.newest < 0:
            found.append(f"{self.folder / LOG} has no commits")
        found += [f"the log of {self.folder} removes {name} before it adds it" for name in sorted(self.disordered())]
        return found

    def actions(self) -> Iterator[Action]:
        """What can be read of the log, in order: the newest checkpoint, then the commits after it."""
        yield from self.checkpoints.get(self.summed_up, ())
        for version in sorted(self.commits):
            if version > self.summed_up:
                yield from self.commits[version].actions

    def all_actions(self) -> Iterator[Action]:
        """Everything that any part of the log says."""
        for actions in self.checkpoints.values():
            yield from actions
        for commit in self.commits.values():
            yield from commit.actions

    def live(self) -> dict[str, Action]:
        """The `add` of each live file, by its name."""
        return live_files(self.actions())

    def disordered(self) -> set[str]:
        """Live files whose removal stands before what added them: commits changed places."""
        if min(self.commits, default=1) or self.lost():
            return set()
        removed: set[str] = set()
        added: set[str] = set()
        early: set[str] = set()
        for version in sorted(self.commits):
            for action in self.commits[version].actions:
                if "add" in action:
                    name = file_name(action["add"])
                    early |= {name} & removed - added
                    added.add(name)
                elif "remove" in action:
                    removed.add(file_name(action["remove"]))
        return early & self.live().keys()

    def descriptions(self) -> list[str]:
        """The table's description, as each part of the log that has one says."""
        return [
            str(action["metaData"].get("description") or "") for action in self.all_actions() if "metaData" in action
        ]


def file_name(file: Mapping[str, Any]) -> str:
    """The name of the file that an `add` or a `remove` is of."""
    return unquote(str(file["path"]))


def live_files(actions: Iterator[Action]) -> dict[str, Action]:
    """The `add` of each file that is live after some actions, by its name."""
    live: dict[str, Action] = {}
    for action in actions:
        if "add" in action:
            live[file_name(action["add"])] = action["add"]
        elif "remove" in action:
            live.pop(file_name(action["remove"]), None)
    return live


def has_log(folder: Path) -> bool:
    """Whether a folder has a table's log, whole or not."""
    log = folder / LOG
    return log.is_dir() and any(
        _COMMIT.fullmatch(path.name) or _CHECKPOINT.fullmatch(path.name) for path in log.iterdir()
    )


def read_log(folder: Path) -> Log:
    """Reads a table's log, whatever is wrong with it.

    Args:
        folder: of the table.

    Raises:
        OSError: a file may not be read.
    """
    paths = sorted((folder / LOG).iterdir()) if (folder / LOG).is_dir() else []
    commits = {int(found[1]): _commit(path, int(found[1])) for path in paths if (found := _COMMIT.fullmatch(path.name))}
    checkpoints: dict[int, tuple[Action, ...]] = {}
    broken: dict[Path, str] = {}
    for path in paths:
        if found := _CHECKPOINT.fullmatch(path.name):
            actions = _checkpoint(path)
            if actions is None or not _agrees(actions, int(found[1]), commits):
                broken[path] = "cannot be read" if actions is None else "is not what its commits say"
            else:
                checkpoints[int(found[1])] = actions
    pointer = folder / LOG / "_last_checkpoint"
    if pointer.exists() and _pointed_to(pointer) not in checkpoints:
        others = {path.name for path in paths} - {path.name for path in broken}
        if not any(".checkpoint." in name and not _CHECKPOINT.fullmatch(name) for name in others):
            broken[pointer] = "does not lead to a checkpoint"
    return Log(folder, commits, checkpoints, broken)


def _commit(path: Path, version: int) -> LoggedCommit:
    actions: list[Action] = []
    fault = ""
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            action = json.loads(line)
            if not _is_action(action):
                raise ValueError
        except ValueError:
            fault = "cannot be read"
            continue
        actions.append(action)
    if not fault:
        fault = _what_is_missing(actions, version)
    return LoggedCommit(path, tuple(actions), fault)


def _is_action(action: Any) -> bool:
    if not isinstance(action, dict) or len(action) != 1 or not action.keys() <= _ACTIONS:
        return False
    ((kind, content),) = action.items()
    if not isinstance(content, dict):
        return False
    if kind in ("add", "remove"):
        path = content.get("path")
        return isinstance(path, str) and _PATH.fullmatch(path) is not None
    if kind == "protocol":
        return content.get("minReaderVersion") in (1, 2, 3) and content.get("minWriterVersion") in range(1, 8)
    return kind != "metaData" or (isinstance(content.get("schemaString"), str) and isinstance(content.get("id"), str))


def _what_is_missing(actions: list[Action], version: int) -> str:
    """Why a commit that can be read is not whole: what it counts, and what a first one has."""
    if not actions:
        return "is empty"
    info = next((action["commitInfo"] for action in actions if "commitInfo" in action), None)
    if info is None:
        return "does not say what it is"
    if version == 0 and not {"protocol", "metaData"} <= {kind for action in actions for kind in action}:
        return "is not a first commit"
    metrics = info.get("operationMetrics") or {}
    for kind, names in (
        ("add", ("num_added_files", "numFilesAdded")),
        ("remove", ("num_removed_files", "numFilesRemoved")),
    ):
        told = next((metrics[name] for name in names if isinstance(metrics.get(name), int)), None)
        if told is not None and told > sum(kind in action for action in actions):
            return "is cut short"
    return ""


def _checkpoint(path: Path) -> tuple[Action, ...] | None:
    """The actions of a checkpoint; None when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = ["add", "remove", "metaData", "protocol"]
    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            names = file.schema_arrow.names
            rows = file.read([kind for kind in kinds if kind in names]).to_pylist()
        actions = tuple({kind: value} for row in rows for kind, value in row.items() if value is not None)
    except (OSError, ValueError, pa.ArrowException):
        return None
    seen = {kind for action in actions for kind in action}
    return actions if {"metaData", "protocol"} <= seen else None


def _agrees(checkpoint: tuple[Action, ...], version: int, commits: Mapping[int, LoggedCommit]) -> bool:
    """Whether a checkpoint says what the commits say that it sums up, if these are all there."""
    before = [commits.get(number) for number in range(version + 1)]
    if any(commit is None or commit.fault or _is_repaired(commit) for commit in before):
        return True
    said = live_files(action for commit in before if commit for action in commit.actions)
    return said.keys() == live_files(iter(checkpoint)).keys()


def _is_repaired(commit: LoggedCommit) -> bool:
    return any(action.get("commitInfo", {}).get("operation") == REPAIRED for action in commit.actions)


def _pointed_to(pointer: Path) -> int:
    try:
        return int(json.loads(pointer.read_bytes())["version"])
    except (ValueError, KeyError, TypeError):
        return -1
