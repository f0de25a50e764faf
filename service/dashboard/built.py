"""The panels of views and their plots, kept for a few seconds: a page asks for its plots and files one by one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from service.dashboard import drawing
from service.dashboard.panel import Filters, Panel, View
from tunedb.errors import NotFoundError, UsageError
from tunedb.store.contract import Store

_KEPT = 64
_SECS = 30.0  # files beside a store change without a new version of it


class Panels:
    """Builds views of one store; threads may share it.

    Args:
        store: what is shown.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Filters, str], tuple[float, list[Panel]]] = OrderedDict()
        self._building: dict[tuple[str, Filters, str], threading.Lock] = {}
        self._drawn: OrderedDict[tuple[int, str], tuple[Panel, str]] = OrderedDict()

    def of(self, view: View, filters: Filters) -> list[Panel]:
        """The panels of a view.

        Raises:
            UsageError: a filter that it needs is not set.
            TunedbError: whatever the view lets through.
        """
        missing = lacking(view, filters)
        if missing:
            raise UsageError(f"{view.title} needs {' and '.join(missing)}: add it to the address")
        key = (view.name, filters, self.store.version())
        with self._lock:
            building = self._building.setdefault(key, threading.Lock())
        try:
            with building:  # whoever asks for the same meanwhile, waits for it
                with self._lock:
                    made, panels = self._kept.get(key, (0.0, []))
                if made and time.monotonic() - made < _SECS:
                    return panels
                panels = view.build(self.store, filters)
                with self._lock:
                    self._kept[key] = (time.monotonic(), panels)
                    self._kept.move_to_end(key)
                    while len(self._kept) > _KEPT:
                        self._kept.popitem(last=False)
                return panels
        finally:
            with self._lock:
                self._building.pop(key, None)

    def one(self, view: View, filters: Filters, name: str) -> Panel:
        """One panel of a view.

        Raises:
            NotFoundError: it has none of that name.
            TunedbError: see `of`.
        """
        panels = self.of(view, filters)
        for panel in panels:
            if panel.name == name:
                return panel
        names = ", ".join(panel.name for panel in panels) or "none"
        raise NotFoundError(f"{view.title} has no panel {name[:40]!r}: there are {names}", kind="panel", asked=name)

    def svg(self, panel: Panel, theme: str) -> str:
        """A panel's plot (`drawing.svg`).

        Args:
            panel: one with a chart, of this object's.
            theme: of `drawing.THEMES`.
        """
        key = (id(panel), theme)  # no other has it while this one is kept
        with self._lock:
            kept = self._drawn.get(key)
        if kept is not None and kept[0] is panel:
            return kept[1]
        made = drawing.svg(panel, theme)
        with self._lock:
            self._drawn[key] = (panel, made)
            self._drawn.move_to_end(key)
            while len(self._drawn) > _KEPT:
                self._drawn.popitem(last=False)
        return made


def lacking(view: View, filters: Filters) -> list[str]:
    """The filters that a view needs and that are not set."""
    given = dict(filters.items())
    return [name for name in view.needs if name not in given]
