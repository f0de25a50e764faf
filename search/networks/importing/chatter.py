"""What TVM's importers print, kept for the error message: a command's standard output is for its answer."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What is printed inside goes to the log."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            _log.debug("%s", line)
