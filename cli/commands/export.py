"""`tunedb export`: writes records for other tools."""

from __future__ import annotations

SUMMARY = "Write records as a MetaSchedule database"
EXAMPLES = ("tunedb export tuning_logs", "tunedb export tuning_logs --workload 5f3a --target znver5 --top 10")


def command() -> None:
    """Write records."""
