"""What devices share that are sent libraries: how they are built here, and how two are compared."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any

from typing_extensions import override

from search.measure.building import Building
from search.measure.cross.building import Builders
from search.measure.device import Comparison, NoReferenceError, Program
from search.measure.host_built import Built, HostBuilt
from tunedb.errors import MeasurementError
from tunedb.records import Outcome, Target


class OfLibraries(HostBuilt):
    """A device that runs libraries which processes of this machine have built.

    Args:
        target: What is built for.
        linker: The compiler that links; None leaves linking to the device.
        build_workers: How many build at once; None is one for each core that this process may use.
        build_timeout_secs: The longest build; None is the builders' own limit.
    """

    def __init__(
        self, target: Target, linker: str | None, build_workers: int | None, build_timeout_secs: float | None
    ) -> None:
        super().__init__(target)
        self._builders = Builders(target, build_workers or len(os.sched_getaffinity(0)), build_timeout_secs, linker)

    @override
    def compare(self, program: Program, untuned: Program, seed: int = 0) -> Comparison:
        self._expect_open()
        both = [self._take(one, keep=True) for one in (program, untuned)]
        try:
            for built in both:
                self._begin(built)
            tuned, right = (self._finish(built) for built in both)
            if tuned.outcome is not Outcome.OK:
                raise MeasurementError(tuned.error)
            if right.outcome is not Outcome.OK:
                raise NoReferenceError(right.error)
            return self._compared((both[0].library, both[1].library), program.args_info, seed)
        finally:
            self.release([built.number for built in both])

    @override
    def close(self) -> None:
        super().close()
        self._builders.close()

    @abstractmethod
    def _compared(self, libraries: tuple[str, str], args_info: tuple[Any, ...], seed: int) -> Comparison:
        """Runs the libraries of a program and of the untuned one on the same arguments.

        Args:
            libraries: Their paths.
            args_info: Of each argument kind, dtype and shape.
            seed: Of the arguments.

        Raises:
            MeasurementError: One of them cannot be run.
        """

    @override
    def _begun(self, built: Built) -> Building:
        return self._builders.begin(built.program, is_candidate=not built.is_kept)
