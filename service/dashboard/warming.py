"""What the first page would wait for, done while nobody waits: views are imported, and something is drawn."""

from __future__ import annotations

import threading

from service.dashboard.drawing import draw_something
from service.dashboard.registry import views


def warm_up() -> threading.Thread:
    """Begins with it in a thread."""

    def work() -> None:
        views()
        draw_something()

    thread = threading.Thread(target=work, name="tunedb-drawing", daemon=True)
    thread.start()
    return thread
