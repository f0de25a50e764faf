"""What surrounds every command: the store it works on, where its result goes, and how errors and signals end it."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from cli.exit_codes import ExitCode
from cli.failures import kind_of, show_document, status_of, told
from cli.options import default_store
from cli.output import Answer, JsonOutput, Output, StdoutError, TextOutput
from cli.progress import Progress
from tunedb.errors import TunedbError

if TYPE_CHECKING:
    from costmodels.cluster import Cluster
    from tunedb.store.contract import Store


class Session:
    """One run of one command."""

    def __init__(self, store_url: str | None, *, as_json: bool, is_quiet: bool = False) -> None:
        self.store_url = store_url or default_store()
        self.as_json = as_json
        self.output: Output = JsonOutput() if as_json else TextOutput()
        self.progress = Progress(sys.stderr, is_quiet=is_quiet)
        self.stop = threading.Event()
        self.exit_code = ExitCode.OK
        self.finishes_on_signal = False
        self.stopping = "stopping; what is finished is stored"  # said then
        self.time_is_up = False
        self._is_shown = False

    @contextmanager
    def open_store(self, *, create: bool = False, writes: bool = False, as_of: str | None = None) -> Iterator[Store]:
        """The store, closed at the end.

        Args:
            create: whether to make the store if it is not there.
            writes: whether the command works long for what it then adds, so that it is tried whether that can be.
            as_of: a version or a time, to see the store as it was; None for now.

        Raises:
            NotFoundError: there is no store, or it has no such version.
            StoreError: it cannot be read, or with `writes` not be written to.
        """
        import tunedb
        from tunedb.errors import NotFoundError

        try:
            store = tunedb.open_store(self.store_url, create=create, as_of=as_of)
        except NotFoundError as error:
            if as_of is not None:
                raise
            raise NotFoundError(
                f"{error} (`tunedb ingest PATH` makes one)", kind=error.kind, asked=error.asked
            ) from error
        with store:
            if writes:
                from tunedb.store.writable import check_writable

                check_writable(store)
            yield store

    @contextmanager
    def cluster(self, address: str | None) -> Iterator[Cluster | None]:
        """The Dask cluster at an address, disconnected from at the end; None without address."""
        if address is None:
            yield None
            return
        from costmodels.cluster import Cluster

        with Cluster(address) as cluster:
            yield cluster

    def show(self, answer: Answer) -> None:
        """Hands the command's result to stdout."""
        self.progress.close()
        self.output.show(answer)
        self._is_shown = True

    @contextmanager
    def time_limit(self, secs: float | None) -> Iterator[None]:
        """Lets a command that can finish what it is at do so when its time is up, as at a signal; that is no failure.

        Args:
            secs: from now on; None for no limit.
        """
        if secs is None:
            yield
            return
        timer = threading.Timer(secs, self._on_time)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _on_time(self) -> None:
        if not self.stop.is_set():
            self.time_is_up = True
            self.stop.set()

    def fail(self, error: BaseException, message: str, *, debug: bool) -> None:
        """Tells why the command ends: a line on stderr, and under --json an object on stdout.

        Args:
            error: what ended it.
            message: what is said of it on stderr.
            debug: whether the line is followed by where it happened.
        """
        trace = traceback.format_exc() if debug else ""
        self.progress.complain(f"{trace}tunedb: {message}")
        if self.as_json and not self._is_shown and not isinstance(error, StdoutError):
            show_document(kind_of(error), message.removeprefix("error: "), status_of(error))

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """SIGINT or SIGTERM: the first lets a command that can finish what it is at do so; the next ends it."""
        del number, frame
        first = not self.stop.is_set() or self.time_is_up
        self.time_is_up = False
        self.stop.set()
        if first and self.finishes_on_signal:
            with suppress(RuntimeError):  # the signal came in the middle of a line on stderr
                self.progress.note(f"{self.stopping} (once more to stop at once)")
            return
        raise KeyboardInterrupt


@contextmanager
def session(store_url: str | None, as_json: bool, debug: bool, *, is_quiet: bool = False) -> Iterator[Session]:
    """Runs a command's body: its errors become one line on stderr and an exit status.

    Args:
        store_url: the folder or URL of the store; None takes the user's own.
        as_json: whether the result is printed as JSON.
        debug: whether an error's traceback is shown.
        is_quiet: whether progress is not.

    Raises:
        typer.Exit: with the exit status, when it is not 0.
    """
    current = Session(store_url, as_json=as_json, is_quiet=is_quiet)
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, current.on_signal)
    try:
        yield current
    except (typer.Exit, TyperException):
        raise
    except KeyboardInterrupt:
        current.stop.set()
        current.fail(KeyboardInterrupt(), "interrupted; what was finished is stored", debug=debug)
    except BaseException as error:
        if type(error) is GeneratorExit:
            raise
        if (
            current.stop.is_set() and not current.time_is_up and not isinstance(error, TunedbError)
        ):  # TVM turns Ctrl-C into RuntimeError('')
            current.fail(KeyboardInterrupt(), "interrupted; what was finished is stored", debug=debug)
        else:
            current.exit_code = status_of(error)
            current.fail(error, f"error: {told(error)}", debug=debug)
    finally:
        current.progress.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if current.stop.is_set() and not current.time_is_up:
        current.exit_code = ExitCode.INTERRUPTED
    if current.exit_code is not ExitCode.OK:
        raise typer.Exit(int(current.exit_code))
