"""The audit log: who changed what and who was refused, a JSON object a line. No token is ever written to it."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec


class AuditLog:
    """Appends to `audit.jsonl` in the folder of the service's state, which only its owner can read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._file = os.open(folder / "audit.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def note(self, **what: Any) -> None:
        """Writes a line, with the time in front."""
        line = msgspec.json.encode({"at": datetime.now(UTC).isoformat(), **what}) + b"\n"
        with self._lock:
            os.write(self._file, line)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
