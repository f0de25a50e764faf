"""Which of a machine's processors are threads of one core, and near which memory each is: from Linux's own files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

_PROCESSOR = re.compile(r"cpu(\d+)")
_NODE = re.compile(r"node(\d+)")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Processor:
    """What the system calls a CPU: a core, or one of its threads."""

    number: int
    siblings: tuple[int, ...]  # the processors of its core, itself among them
    node: int  # of memory (NUMA)


@dataclass(frozen=True, slots=True)
class Placed:
    """Processors that something runs on, as one looks at them for measuring."""

    processors: tuple[int, ...]
    cores: int  # physical ones
    nodes: tuple[int, ...]

    @property
    def shares_cores(self) -> bool:
        """Whether two of the processors are threads of one core."""
        return self.cores < len(self.processors)

    @property
    def crosses_nodes(self) -> bool:
        """Whether some of the processors are nearer to other memory than the rest."""
        return len(self.nodes) > 1

    def told(self) -> list[str]:
        """What may surprise about it, as sentences."""
        found = []
        if self.shares_cores:
            found.append(
                f"of the {len(self.processors)} processors {brief(self.processors)} some are threads of one core: "
                f"they are {self.cores} {'core' if self.cores == 1 else 'cores'}"
            )
        if self.crosses_nodes:
            found.append(
                f"the processors {brief(self.processors)} are on the NUMA nodes {brief(self.nodes)}: memory of one is "
                "further from the others"
            )
        return found


def processors(root: Path = Path("/")) -> tuple[Processor, ...]:
    """The processors of a machine, in order; none where its files do not tell.

    Args:
        root: the folder in which `sys` is looked for; in another one it is another machine's.
    """
    system = root / "sys/devices/system"
    nodes = {
        number: int(match[1])
        for folder in _folders(system / "node")
        if (match := _NODE.fullmatch(folder.name))
        for number in numbers(_read(folder / "cpulist"))
    }
    found = []
    for folder in _folders(system / "cpu"):
        match = _PROCESSOR.fullmatch(folder.name)
        siblings = numbers(_read(folder / "topology/thread_siblings_list"))
        if match and siblings:
            found.append(Processor(int(match[1]), siblings, nodes.get(int(match[1]), 0)))
    return tuple(sorted(found, key=lambda one: one.number))


def placed(chosen: Collection[int], among: Iterable[Processor]) -> Placed:
    """How processors lie.

    Args:
        chosen: their numbers.
        among: the machine's; one that is not among them counts as a core on node 0.
    """
    known = {one.number: one for one in among}
    mine = [known.get(number, Processor(number, (number,), 0)) for number in sorted(chosen)]
    cores = {one.siblings for one in mine}
    return Placed(tuple(one.number for one in mine), len(cores), tuple(sorted({one.node for one in mine})))


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of a list as the system writes it: "0-3,8"."""
    found: set[int] = set()
    for first, last in _RANGE.findall(text):
        found |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def brief(chosen: Collection[int]) -> str:
    """Numbers as the system writes them: "0-3,8"."""
    parts: list[list[int]] = []
    for number in sorted(chosen):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _folders(path: Path) -> list[Path]:
    try:
        return [one for one in path.iterdir() if one.is_dir()]
    except OSError:  # not Linux, or hidden from containers
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
