"""What the first page would wait for, done while nobody waits: trials counted, views imported, something drawn."""

from __future__ import annotations

import logging
import threading

from service.dashboard.digest import digest
from service.dashboard.drawing import draw_something
from service.dashboard.registry import views
from tunedb.errors import TunedbError
from tunedb.store.contract import Store

_log = logging.getLogger(__name__)


def warm_up(store: Store) -> threading.Thread:
    """Begins with it in a thread.

    Args:
        store: what will be shown.
    """

    def work() -> None:
        views()
        try:
            digest(store)
        except TunedbError as error:  # the page will say it
            _log.info("%s", error)
        draw_something()

    thread = threading.Thread(target=work, name="tunedb-drawing", daemon=True)
    thread.start()
    return thread
