"""Figures as people read them. JSON output has seconds and bytes instead, and names that say so."""

from __future__ import annotations


def duration(secs: float | None) -> str:
    """A run time with three to four digits and its unit: "412.3 us", "1.396 ms"; "-" for none."""
    if secs is None or secs == float("inf"):
        return "-"
    for unit, scale in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if secs < scale * 999.95:
            return f"{secs / scale:.4g} {unit}"
    return f"{secs:.4g} s"


def elapsed(secs: float) -> str:
    """A waiting time: "14.2 s", "3 min 05 s"."""
    if secs < 99.95:
        return f"{secs:.1f} s"
    minutes, rest = divmod(round(secs), 60)
    return f"{minutes} min {rest:02d} s"


def waiting(secs: float) -> str:
    """A time that is guessed, in one unit: "40 s", "3 min", "1.5 h"."""
    if secs < 99.5:
        return f"{max(1, round(secs))} s"
    return f"{round(secs / 60)} min" if secs < 5700 else f"{secs / 3600:.1f} h"


def size(num_bytes: int | None) -> str:
    """A size in binary units: "48 KiB"; "-" for none."""
    if num_bytes is None:
        return "-"
    amount = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


def count(number: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 trial", "1,024 trials"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
