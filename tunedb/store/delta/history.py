"""When a table's versions were committed, as its own log says: times of files change with every copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SEEN = "tunedb.tables"  # in a commit of trials: the versions of the other tables that it refers to


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table."""

    version: int
    moment: int  # milliseconds since 1970; never before an earlier commit's, whatever the clocks said
    seen: Mapping[str, int]  # by table: the version that is there at least, by this commit or an earlier one


def commits_of(history: Sequence[Mapping[str, Any]]) -> list[Commit]:
    """The commits that a log still has, oldest first.

    Args:
        history: what Delta Lake's `history` says of the newest version.
    """
    commits: list[Commit] = []
    moment = 0
    seen: dict[str, int] = {}
    for entry in sorted(history, key=lambda entry: int(entry["version"])):
        moment = max(moment, int(entry.get("timestamp") or 0))
        told = entry.get(SEEN)
        for name, version in told.items() if isinstance(told, dict) else ():
            if isinstance(version, int):
                seen[name] = max(seen.get(name, 0), version)
        commits.append(Commit(int(entry["version"]), moment, dict(seen)))
    return commits


def commit_at(commits: Sequence[Commit], moment: int) -> Commit:
    """The last commit at a time; before all of them the first.

    Args:
        commits: at least one, oldest first.
        moment: milliseconds since 1970.
    """
    return next((commit for commit in reversed(commits) if commit.moment <= moment), commits[0])
