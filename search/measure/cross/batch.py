"""Programs that several workers run side by side: each takes what is next, and one who asks has what is found."""

from __future__ import annotations

import contextlib
import queue
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from typing_extensions import override

from search.measure.cross.libraries import OfLibraries
from search.measure.device import Measurement, Timing
from search.measure.host_built import Built
from tunedb.records import Outcome


class Batch:
    """Programs that wait for a worker, and what came of those that ran.

    Args:
        programs: In the order in which they begin.
        timing: How they are timed.
        enough_secs: Asked before each for the run time above which one run is enough; None where none is.
    """

    def __init__(
        self, programs: Iterable[Built], timing: Timing, enough_secs: Callable[[], float] | None = None
    ) -> None:
        self.timing = timing
        self.enough_secs = enough_secs or (lambda: float("inf"))
        self.stopped = threading.Event()  # when set, nothing is begun or waited for
        self._waiting, self._lock = deque(programs), threading.Lock()
        self._size = len(self._waiting)
        self._found: queue.SimpleQueue[Measurement | BaseException] = queue.SimpleQueue()

    def __len__(self) -> int:
        """How many programs it was made of."""
        return self._size

    def next(self) -> Built | None:
        """The next program; None where there is none, or no one asks any more."""
        return next(iter(self.next_together(1, 1)), None)

    def next_together(self, most: int, num_workers: int) -> list[Built]:
        """Programs that one worker runs in turn: behind the first only those that are built already.

        Args:
            most: How many at most.
            num_workers: How many workers there are: none takes so many that another would have nothing to do.
        """
        with self._lock:
            if self.stopped.is_set() or not self._waiting:
                return []
            most = max(1, min(most, len(self._waiting) // num_workers))
            together = [self._waiting.popleft()]
            while self._waiting and len(together) < most and _is_done(self._waiting[0]):
                together.append(self._waiting.popleft())
            return together

    def put_back(self, built: Built) -> None:
        """Lets a program wait again, as the first."""
        with self._lock:
            self._waiting.appendleft(built)

    def put(self, found: Measurement | BaseException) -> None:
        """What came of a program, or an error that whoever asks is to raise."""
        self._found.put(found)

    def measured_by(self, workers: Sequence[Callable[[], None]], name: str) -> Generator[Measurement]:
        """Lets workers run the programs, each in a thread of its own, and gives what is found as it comes.

        Args:
            workers: Each runs what is next until nothing is.
            name: Of the threads.

        Raises:
            BaseException: What a worker raised.
        """
        threads = [
            threading.Thread(target=self._guarded, args=(work,), name=f"{name}-{number}", daemon=True)
            for number, work in enumerate(workers)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(self._size):
                one = self._found.get()
                if isinstance(one, BaseException):
                    raise one
                yield one
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # who iterates raises it
            self.put(error)


class OfParts(OfLibraries):
    """A device of several parts, each of which runs what is next."""

    @override
    def run(
        self, numbers: Sequence[int], *, timing: Timing | None = None, enough_secs: Callable[[], float] | None = None
    ) -> Iterator[Measurement]:
        self._expect_open()
        batch = Batch([self._find(number) for number in numbers], (timing or self._timing).plain(), enough_secs)
        with contextlib.closing(batch.measured_by(self._workers(batch), self._thread_name)) as measured:
            for one in measured:
                built = self._known.get(one.number)
                if built is not None and not built.is_kept:
                    self.release([one.number])
                yield one

    @property
    @abstractmethod
    def _timing(self) -> Timing:
        """The device's own way to time."""

    @property
    @abstractmethod
    def _thread_name(self) -> str:
        """What its threads are called."""

    @abstractmethod
    def _workers(self, batch: Batch) -> Sequence[Callable[[], None]]:
        """What runs a batch: no more than it has programs.

        Raises:
            MeasurementError: Nothing can run it.
        """

    def _is_built(self, built: Built, batch: Batch) -> bool:
        """Waits for a program's build; where it failed, that is what is found of it."""
        build = self._finish(built)
        if build.outcome is not Outcome.OK:
            batch.put(Measurement(built.number, (), build.outcome, build.error))
        return build.outcome is Outcome.OK


def _is_done(built: Built) -> bool:
    return built.building is not None and built.building.is_done
