"""What a page of the dashboard is about: read from the query of its URL, strictly, and written back to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from tunedb.errors import BadInputError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is shown; None is no restriction."""

    target: str | None = None  # what `Store.resolve_target` takes: a prefix of an id, or an arch
    workload: str | None = None  # a prefix of a workload's hash, or of a record's where a view is of one
    run: str | None = None  # a prefix of the id of a tuning run or of any other source
    since: datetime | None = None  # in UTC
    other: str | None = None  # the second run, record or target of a comparison

    @classmethod
    def parse(cls, query: Iterable[tuple[str, str]]) -> Filters:
        """The filters of a query string.

        Args:
            query: its names and values, decoded. An empty value is none.

        Raises:
            BadInputError: a name is no filter's or comes twice, or a value has not its form.
        """
        found: dict[str, str | datetime] = {}
        for name, value in query:
            if name not in NAMES:
                raise BadInputError(f"there is no filter {name[:40]!r}: there are {', '.join(NAMES)}")
            if name in found:
                raise BadInputError(f"the filter {name!r} is given twice")
            if value:
                found[name] = _moment(value) if name == "since" else _text(name, value)
        return cls(**found)  # type: ignore[arg-type]

    def query(self) -> str:
        """The query string, without `?`; parsed, it gives these filters again."""
        return urlencode(self.items())

    def items(self) -> list[tuple[str, str]]:
        """Names and values of the filters that are set, as the query string has them."""
        values = [(name, getattr(self, name)) for name in NAMES]
        return [
            (name, value.isoformat() if isinstance(value, datetime) else value)
            for name, value in values
            if value is not None
        ]

    def with_(self, **changed: str | datetime | None) -> Filters:
        """These filters with others in the place of some."""
        return replace(self, **changed)  # type: ignore[arg-type]


NAMES = tuple(field.name for field in fields(Filters))


def _text(name: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise BadInputError(f"{value[:40]!r} is no {name}: letters, digits and ._:- up to 128")
    return value


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadInputError(f"{value[:40]!r} is no time: write 2026-11-28 or 2026-11-28T07:00:00+00:00") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
