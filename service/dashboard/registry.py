"""The dashboard's views, in the order of the navigation."""

from __future__ import annotations

from service.dashboard.panel import View

VIEWS: tuple[View, ...] = ()
