"""A compiled library of another architecture, run by an emulator as `Library` runs those of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from search.measure.cross.emulator import Emulator, Ran
from search.networks.manifest import Manifest, num_cores, read_manifest
from search.networks.runtime import ordered

Arrays = Mapping[str, npt.NDArray[Any]]


class EmulatedLibrary:
    """A network's library of another architecture.

    Args:
        path: The library, as `compile` wrote it.
        emulator: What runs it; the caller closes it.

    Raises:
        NotFoundError: There is no such file.
        BadInputError: It is none, or is damaged.
    """

    def __init__(self, path: Path, emulator: Emulator) -> None:
        self.path, self.manifest = path, read_manifest(path)
        self._emulator = emulator

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Runs the network once; see `search.networks.runtime.Library.run`.

        Raises:
            UsageError: An input is missing, unknown, or has another shape or type than the network's.
            BadInputError: The library cannot be loaded, or fails.
        """
        return _named(self.manifest, self._ran(inputs, 1))

    def run_and_time(self, inputs: Arrays, repeat: int) -> tuple[dict[str, npt.NDArray[Any]], list[float]]:
        """Runs the network so often.

        Returns:
            The outputs, and the seconds of each run as the emulator counts.
        """
        ran = self._ran(inputs, repeat)
        return _named(self.manifest, ran), list(ran.secs)

    def _ran(self, inputs: Arrays, repeat: int) -> Ran:
        arrays = ordered(self.path, self.manifest, inputs)
        return self._emulator.run_network(self.path, arrays, threads=num_cores(self.manifest), repeat=repeat)


def _named(manifest: Manifest, ran: Ran) -> dict[str, npt.NDArray[Any]]:
    return {spec.name: array for spec, array in zip(manifest.outputs, ran.arrays, strict=True)}
