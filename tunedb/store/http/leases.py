"""Leases that a service grants: a request each, whatever number of keys, and nobody else's are touched."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

import msgspec
from typing_extensions import override

from tunedb.errors import StoreAwayError
from tunedb.store.http import wire
from tunedb.store.http.connection import Connection
from tunedb.store.leases import Leases

PATH = "/v1/leases"

_PATIENCE_SECS = 5.0  # a run goes on without leases rather than wait for them
_ANSWER_SECS = 15.0  # so that a service which is stopped does not stop those who measure


class Deed(StrEnum):
    """What is to be done with leases."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"
    LOOK = "look"


class LeaseRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request for leases."""

    deed: Deed
    holder: Annotated[str, msgspec.Meta(max_length=64, pattern="^([A-Za-z0-9][A-Za-z0-9_-]*)?$")] = ""
    keys: Annotated[list[Annotated[str, msgspec.Meta(max_length=256)]], msgspec.Meta(max_length=10_000)] | None = None
    secs: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0


class LeaseAnswer(msgspec.Struct):
    """The keys that the holder has now, of those that it asked for; of a look, those that anybody has."""

    keys: list[str]


class HttpLeases(Leases):
    """Leases by requests.

    Args:
        connection: to the service.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def claim(self, holder: str, keys: Collection[str], secs: float) -> set[str]:
        return self._ask(LeaseRequest(Deed.CLAIM, holder, sorted(set(keys)), secs))

    @override
    def renew(self, holder: str, secs: float) -> set[str]:
        return self._ask(LeaseRequest(Deed.RENEW, holder, None, secs))

    @override
    def release(self, holder: str, keys: Collection[str] | None = None) -> None:
        self._ask(LeaseRequest(Deed.RELEASE, holder, None if keys is None else sorted(set(keys))))

    @override
    def leased(self, keys: Collection[str]) -> set[str]:
        return self._ask(LeaseRequest(Deed.LOOK, "", sorted(set(keys))))

    def _ask(self, request: LeaseRequest) -> set[str]:
        if self._connection.is_away:
            raise StoreAwayError(f"the service at {self._connection.url} is away")
        body = msgspec.json.encode(request)
        given = {"sends": wire.JSON, "wants": wire.JSON}
        try:
            answer = self._connection.ask(
                "POST", PATH, body, patience_secs=_PATIENCE_SECS, answer_secs=_ANSWER_SECS, **given
            )
        except StoreAwayError as error:
            if error.retry_after_secs is None:  # else it is there, and busy
                self._connection.note_away()
            raise
        return set(msgspec.json.decode(answer, type=LeaseAnswer).keys)
