"""A process that calls verbs of the command, one a line of JSON on stdin, and says how each ended."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

from typer.testing import CliRunner

from cli.main import app


def call(words: list[str], place: str) -> dict[str, Any]:
    """Calls a verb in a folder.

    Args:
        words: the command line after `tunedb`.
        place: the folder; HOME too.
    """
    os.chdir(place)
    os.environ["HOME"] = place
    with tempfile.TemporaryFile() as told:  # what compiled libraries write
        kept = os.dup(2)
        os.dup2(told.fileno(), 2)
        try:
            done = CliRunner().invoke(app, words)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        told.seek(0)
        native = told.read().decode(errors="replace")
    raised = done.exception
    return {
        "status": done.exit_code,
        "out": done.stdout,
        "error": done.stderr + native,
        "raised": "" if raised is None or isinstance(raised, SystemExit) else f"{type(raised).__name__}: {raised}",
    }


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        replies.write(json.dumps(call(request["words"], request["place"])) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
