"""What the first page would wait for, done while nobody waits: trials counted, views imported, the page itself made."""

from __future__ import annotations

import logging
import threading

from service.dashboard import drawing
from service.dashboard.built import Panels
from service.dashboard.digest import digest
from service.dashboard.panel import Filters
from service.dashboard.registry import views
from tunedb.errors import TunedbError

_log = logging.getLogger(__name__)


def warm_up(panels: Panels) -> threading.Thread:
    """Begins with it in threads. Counting leaves the interpreter to others, so what draws is imported meanwhile.

    Args:
        panels: of the store that will be shown.

    Returns:
        The thread at whose end the first page is there.
    """

    def draw() -> None:
        views()
        drawing.draw_something()

    def work() -> None:
        drawer = threading.Thread(target=draw, name="tunedb-drawing", daemon=True)
        drawer.start()
        try:
            digest(panels.store)
            drawer.join()
            first = views()[0]
            for panel in panels.of(first, Filters()):
                if panel.chart is not None:
                    panels.svg(panel, "light")
        except TunedbError as error:  # the page will say it
            _log.info("%s", error)

    thread = threading.Thread(target=work, name="tunedb-warming", daemon=True)
    thread.start()
    return thread
