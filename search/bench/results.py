"""What a bench found, as one JSON document that says how it was had, and from which the same command goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tunedb.errors import BadInputError, NotFoundError, UsageError
from tunedb.files import replace_file
from tunedb.records import Hardware

FILE = "bench.json"


class Asked(msgspec.Struct, frozen=True):
    """The options of the command."""

    models: tuple[str, ...]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: int
    target: str  # canonical JSON
    shapes: dict[str, tuple[int, ...]] = {}  # of inputs by name, in each of the models


class Task(msgspec.Struct, frozen=True):
    """A task of a network."""

    workload_hash: str
    name: str
    weight: float  # how often the network calls it
    untuned_secs: float | None  # of one call of TVM's own; None where it cannot be run


class Network(msgspec.Struct, frozen=True):
    """A network, before any arm."""

    name: str
    model: str  # what was asked for
    digest: str
    tasks: tuple[Task, ...]
    shapes: dict[str, tuple[int, ...]] = {}  # of inputs by name, in place of those that the model says


class ArmTask(msgspec.Struct, frozen=True):
    """What an arm measured of one task."""

    workload_hash: str
    trials: int
    failed: int
    best_secs: float | None


class Reached(msgspec.Struct, frozen=True):
    """The network's time, by its tasks' best so far: TVM's own where nothing faster was measured."""

    trials: int
    secs: float  # since tuning began; what lay between two sittings is left out
    network_secs: float


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """A network, tuned with one strategy and seed."""

    network: str
    strategy: str
    seed: int
    predicts: bool
    error: str = ""  # why it is not finished
    prior: str = ""  # what its search started from
    trials: int = 0
    failed: int = 0
    sittings: int = 0  # more than one: it was cut short, and stock's search then began again with what was left
    tune_secs: float = 0.0
    compile_secs: float = 0.0
    library: str = ""  # within the folder
    programs: dict[str, int] = {}  # of the library: how many have a "record", are "predicted" or "untuned"
    tasks: tuple[ArmTask, ...] = ()
    best_so_far: tuple[Reached, ...] = ()
    latency_secs: float | None = None  # of the library: the median of all rounds
    ratio: float | None = None  # of latencies, to `against`: the median of the rounds' ratios
    against: str = ""  # the arm of the same network that ratios refer to

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others."""
        return self.network, self.strategy, self.seed

    @property
    def name(self) -> str:
        """Strategy and seed, for people."""
        return f"{self.strategy} seed {self.seed}"

    @property
    def is_tuned(self) -> bool:
        """Whether there is a library of it."""
        return bool(self.library) and not self.error


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The whole bench."""

    kind: str = "bench"
    asked: Asked
    machine: Hardware
    versions: dict[str, str]
    rounds: int  # in which the libraries ran
    networks: tuple[Network, ...] = ()
    arms: tuple[Arm, ...] = ()
    interrupted: bool = False

    def arm(self, key: tuple[str, str, int]) -> Arm | None:
        """An arm by its key."""
        return next((arm for arm in self.arms if arm.key == key), None)


def read_results(path: Path) -> Results:
    """The document of a bench.

    Args:
        path: The file, or the folder that it is in.

    Raises:
        NotFoundError: There is none.
        BadInputError: It is no such document.
    """
    file = path / FILE if path.is_dir() else path
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{file}: no such file", kind="file", asked=str(path)) from error
    except OSError as error:
        raise BadInputError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        found = msgspec.json.decode(content, type=Results)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadInputError(f"{file}: not what `tunedb bench` wrote: {error}") from error
    if found.kind != "bench":
        raise BadInputError(f"{file}: not what `tunedb bench` wrote: its kind is {found.kind[:40]!r}")
    return found


def write_results(folder: Path, results: Results) -> None:
    """Writes the document, in the place of the one that is there; it is there whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    replace_file(folder / FILE, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def goes_on(folder: Path, asked: Asked) -> Results | None:
    """What the folder has of the bench that is asked for; None where it has none yet.

    Raises:
        UsageError: It has another bench: of other trials or for another target, or with arms that are not asked for.
        BadInputError: It has a damaged one.
    """
    if not (folder / FILE).exists():
        return None
    found = read_results(folder)
    was = found.asked
    for what, before, now in (
        ("trials", was.trials, asked.trials),
        ("target", was.target, asked.target),
        ("shapes", was.shapes, asked.shapes),
    ):
        if before != now:
            raise UsageError(f"{folder} holds a bench of {what} {before}, not {now}: give --out another folder")
    for what, ours, theirs in (
        ("model", asked.models, was.models),
        ("strategy", asked.strategies, was.strategies),
        ("seed", asked.seeds, was.seeds),
    ):
        missing = [one for one in theirs if one not in ours]
        if missing:
            raise UsageError(f"{folder} holds a bench with the {what} {missing[0]}: ask for it too, or give --out")
    return found
