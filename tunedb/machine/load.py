"""How busy a machine is with something else: its load average, and the time that its host gave to others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_STEAL = 7  # of a processor's times in /proc/stat, which begin with user, nice, system, idle
_COUNTED = 8  # what follows is counted in user and nice already
_BUSY_LOAD = 0.5  # of other programs, for each processor: one in two has something else to do
_BUSY_STEAL = 0.02


@dataclass(frozen=True, slots=True)
class Times:
    """What some processors have done since the machine started, in the system's ticks."""

    total: int
    stolen: int  # by the host, for other machines


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a machine is, or was for a while; None where its files do not tell."""

    load_average: float | None = None  # programs that ran or wanted to, over the last minute
    num_processors: int = 1  # of the machine
    stolen: float | None = None  # share of the processors' time that the host gave to others

    def signs(self, own: float = 0.0) -> dict[str, str]:
        """What disturbs measurements, by its kind ("load", "steal"); none where the machine is quiet.

        Args:
            own: how many of the programs are the caller's own.
        """
        found = {}
        if self.load_average is not None and self.load_average - own > _BUSY_LOAD * self.num_processors:
            found["load"] = f"load average {self.load_average:.1f} on {self.num_processors} processors"
        if self.stolen is not None and self.stolen > _BUSY_STEAL:
            found["steal"] = f"the host gave {self.stolen:.0%} of the processors' time to other machines"
        return found


def times(processors: Collection[int], root: Path = Path("/")) -> Times | None:
    """What processors have done so far; None where the system does not tell.

    Args:
        processors: their numbers.
        root: the folder in which `proc` is looked for.
    """
    wanted = {f"cpu{number}" for number in processors}
    total = stolen = 0
    for line in _read(root / "proc/stat").splitlines():
        name, *ticks = line.split()
        if name in wanted and len(ticks) > _STEAL and all(one.isdigit() for one in ticks):
            total += sum(map(int, ticks[:_COUNTED]))
            stolen += int(ticks[_STEAL])
    return Times(total, stolen) if total else None


def load(num_processors: int, since: Times | None = None, now: Times | None = None, root: Path = Path("/")) -> Load:
    """How busy a machine is.

    Args:
        num_processors: how many it has.
        since: what some of them had done at the beginning of the time that is asked about; None asks about no time.
        now: what they have done now.
        root: the folder in which `proc` is looked for.
    """
    first = _read(root / "proc/loadavg").split()[:1]
    try:
        average = float(first[0]) if first else None
    except ValueError:
        average = None
    stolen = None
    if since is not None and now is not None and now.total > since.total:
        stolen = (now.stolen - since.stolen) / (now.total - since.total)
    return Load(average, num_processors, stolen)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not Linux, or hidden from containers
        return ""
