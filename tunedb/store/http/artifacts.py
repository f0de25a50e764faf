"""The files of a store that a service keeps."""

from __future__ import annotations

from urllib.parse import quote

from typing_extensions import override

from tunedb.store.artifacts import Artifacts, checked_name
from tunedb.store.http.connection import Connection
from tunedb.store.http.wire import MESSAGE, decode

_FILE = "application/octet-stream"


class HttpArtifacts(Artifacts):
    """Files that are read, written and deleted by requests.

    Args:
        connection: to the service.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def names(self, folder: str) -> list[str]:
        answer = self._connection.ask("GET", "/v1/files", wants=MESSAGE, folder=checked_name(folder))
        names: list[str] = decode(answer, list[str], "the service's list of files")
        return names

    @override
    def read(self, name: str) -> bytes:
        return self._connection.ask("GET", _path(name), wants=_FILE)

    @override
    def write(self, name: str, content: bytes) -> None:
        self._connection.ask("PUT", _path(name), bytes(content), sends=_FILE)

    @override
    def delete(self, name: str) -> None:
        self._connection.ask("DELETE", _path(name))

    @override
    def location(self, name: str) -> str:
        return f"{self._connection.url}/v1/files/{name}"


def _path(name: str) -> str:
    return f"/v1/files/{quote(checked_name(name))}"
