"""What surrounds every command: the store it works on, where its result goes, and how errors and signals end it."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from cli.exit_codes import ExitCode, exit_code_of
from cli.options import default_store
from cli.output import Answer, JsonOutput, Output, TextOutput
from cli.progress import Progress
from tunedb.errors import TunedbError

if TYPE_CHECKING:
    from costmodels.cluster import Cluster
    from tunedb.store.contract import Store


class Session:
    """One run of one command."""

    def __init__(self, store_url: str | None, *, as_json: bool) -> None:
        self.store_url = store_url or default_store()
        self.as_json = as_json
        self.output: Output = JsonOutput() if as_json else TextOutput()
        self.progress = Progress(sys.stderr)
        self.stop = threading.Event()
        self.exit_code = ExitCode.OK
        self.finishes_on_signal = False

    @contextmanager
    def open_store(self, *, create: bool = False, as_of: str | None = None) -> Iterator[Store]:
        """The store, closed at the end.

        Args:
            create: whether to make the store if it is not there.
            as_of: a version or a time, to see the store as it was; None for now.

        Raises:
            NotFoundError: there is no store, or it has no such version.
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

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """SIGINT or SIGTERM: the first lets a command that can finish what it is at do so; the next ends it."""
        del number, frame
        first = not self.stop.is_set()
        self.stop.set()
        if first and self.finishes_on_signal:
            self.progress.note("stopping; what is finished is stored (once more to stop at once)")
            return
        raise KeyboardInterrupt


@contextmanager
def session(store_url: str | None, as_json: bool, debug: bool) -> Iterator[Session]:
    """Runs a command's body: its errors become one line on stderr and an exit status.

    Args:
        store_url: the folder or URL of the store; None takes the user's own.
        as_json: whether the result is printed as JSON.
        debug: whether an error's traceback is shown.

    Raises:
        typer.Exit: with the exit status, when it is not 0.
    """
    current = Session(store_url, as_json=as_json)
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, current.on_signal)
    try:
        yield current
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        current.stop.set()
        _report("interrupted; what was finished is stored", current, debug=debug)
    except Exception as error:
        current.exit_code = exit_code_of(error)
        if isinstance(error, TunedbError):
            _report(f"error: {error}", current, debug=debug)
        elif not current.stop.is_set():  # TVM turns Ctrl-C into RuntimeError('')
            hint = "" if debug else " (--debug shows where)"
            _report(f"error: {type(error).__name__}: {error}{hint}", current, debug=debug)
    finally:
        current.progress.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if current.stop.is_set():
        current.exit_code = ExitCode.INTERRUPTED
    if current.exit_code is not ExitCode.OK:
        raise typer.Exit(int(current.exit_code))


def _report(message: str, current: Session, *, debug: bool) -> None:
    current.progress.note(traceback.format_exc() if debug else f"tunedb: {message}")
