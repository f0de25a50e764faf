"""With what a service is asked: a token from the environment or a file that is its owner's alone. Never from a URL.

This reads the environment, as Delta Lake does for object stores: whoever opens a store by its URL need not know more.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tunedb.errors import NotFoundError, UsageError

TOKEN_VARIABLE = "TUNEDB_TOKEN"  # noqa: S105 - a name
FILE_VARIABLE = "TUNEDB_TOKEN_FILE"
SPOOL_VARIABLE = "TUNEDB_SPOOL"
CA_VARIABLE = "TUNEDB_CA_FILE"
VARIABLES = (TOKEN_VARIABLE, FILE_VARIABLE, SPOOL_VARIABLE, CA_VARIABLE)

_LOCAL = {"127.0.0.1", "::1", "localhost"}
_LONGEST = 4_096  # bytes of a file with a token


def checked_url(url: str) -> SplitResult:
    """The parts of a service's URL.

    Raises:
        NotFoundError: it is none.
        UsageError: it holds what belongs elsewhere: a name and password, a query, a fragment.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _nowhere(url, str(error)) from error
    if not parts.hostname:
        raise _nowhere(url, "it names no host")
    if parts.username or parts.password or parts.query or parts.fragment:
        wanted = f"give the token in {TOKEN_VARIABLE}, or in a file that {FILE_VARIABLE} names"
        raise UsageError(f"the URL of the service at {parts.hostname} holds more than a host and a path: {wanted}")
    return parts


def _nowhere(url: str, reason: str) -> NotFoundError:
    text = f"there is no store at {url!r}, which is no URL of a service: {reason}"
    return NotFoundError(text, kind="store", asked=url)


def token_for(url: SplitResult, options: Mapping[str, str]) -> str | None:
    """The token that a service is asked with; None where nobody told one.

    Args:
        url: the service's URL.
        options: `token` or `token_file`; what is not there is looked for in the environment.

    Raises:
        UsageError: the file cannot be read or others can read it, or the token would go unencrypted over a network.
    """
    token = options.get("token")
    file = None if token else options.get("token_file")
    if not token and not file:
        token = os.environ.get(TOKEN_VARIABLE)
        file = None if token else os.environ.get(FILE_VARIABLE)
    if file:
        token = _read(Path(file).expanduser())
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("the token for the service has characters that no token has")
    if url.scheme != "https" and url.hostname not in _LOCAL:
        raise UsageError(f"the token would go to {url.hostname} unencrypted: use https://, or a tunnel to this machine")
    return token


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise UsageError(f"others can read the token in {path}: chmod 600 {path}")
            return file.read(_LONGEST).decode().strip()
    except OSError as error:
        raise UsageError(f"cannot read the token in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} holds no token") from error


def spool_root(options: Mapping[str, str]) -> Path:
    """The folder in which what could not be sent is kept, of all services.

    Args:
        options: `spool`; where that is not there, the environment says.

    Raises:
        UsageError: this user has no home, and nothing else was said.
    """
    told = options.get("spool") or os.environ.get(SPOOL_VARIABLE)
    if told:
        return Path(told).expanduser()
    base = os.environ.get("XDG_STATE_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise UsageError(f"this user has no home folder: {SPOOL_VARIABLE} says where unsent trials are kept") from error
    return folder / "tunedb" / "spool"


def ca_file(options: Mapping[str, str]) -> str | None:
    """The file with the certificates that are trusted besides the system's; None for no other."""
    return options.get("ca_file") or os.environ.get(CA_VARIABLE) or None
