"""Where a store is: a folder or a URL, from what a person writes. Importing this costs nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from tunedb.errors import NotFoundError, UsageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(text: str) -> bool:
    """Whether a text is a URL, and not a path."""
    return _URL.match(text) is not None


def is_service(text: str) -> bool:
    """Whether a text is the URL of a service that keeps a store."""
    return text.lower().startswith(("http://", "https://"))


def located(text: str) -> str:
    """What a person wrote, as an absolute path or as the URL of an object store.

    Args:
        text: a path, which may begin with `~`, or a URL; one of a file is a path.

    Raises:
        NotFoundError: it is a relative path, and the present folder is gone.
    """
    if is_url(text):
        scheme, _, rest = text.partition("://")
        if scheme.lower() != "file":
            return text
        _, slash, path_of_host = rest.partition("/")
        text = unquote(slash + path_of_host, errors="surrogateescape")
    path = Path(text)
    with suppress(RuntimeError):  # there is no such user, so it is a name
        path = path.expanduser()
    try:
        return str(path.absolute())
    except FileNotFoundError as error:
        reason = f"the present folder is gone, so {text} is nowhere: give an absolute path"
        raise NotFoundError(reason, kind="store", asked=text) from error


def located_tables(text: str) -> str:
    """Where the tables of a store are, for whoever changes them: as `located`, and no service.

    Raises:
        NotFoundError: it is a relative path, and the present folder is gone.
        UsageError: a service keeps the store.
    """
    if is_service(text):
        raise UsageError(f"a service keeps the store at {text}: do this where the store itself is")
    return located(text)
