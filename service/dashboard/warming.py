"""What the first page would wait for, done while nobody waits: trials counted, views imported, the page itself made."""

from __future__ import annotations

import logging
import threading

from service.dashboard import choices, drawing
from service.dashboard.built import Panels
from service.dashboard.pages import environment
from service.dashboard.panel import Filters
from service.dashboard.registry import first_view, views
from tunedb.errors import TunedbError

_log = logging.getLogger(__name__)


def warm_up(panels: Panels) -> threading.Thread:
    """Begins with it in a thread: first what the page says, then its plots, then the other views.

    Args:
        panels: of the store that will be shown.

    Returns:
        The thread at whose end the first page is there.
    """

    def work() -> None:
        try:
            made = panels.of(first_view(), Filters())
            choices.targets(panels.store, Filters())
            environment().get_template("view.html")
            drawing.draw_something()
            for panel in made:
                if panel.chart is not None:
                    panels.svg(panel, "light")
            views()
        except TunedbError as error:  # the page will say it
            _log.info("%s", error)

    thread = threading.Thread(target=work, name="tunedb-warming", daemon=True)
    thread.start()
    return thread
