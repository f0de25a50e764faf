"""What a service counts of itself, as Prometheus reads it."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.writer import Writer

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counters of one service."""

    def __init__(self, writer: Writer[Any, Any]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tunedb_requests", "Requests that were answered.", ["method", "route", "status"], registry=self._registry
        )
        self._secs = Histogram(
            "tunedb_request_seconds",
            "Time to the first byte of an answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._trials = Counter(
            "tunedb_trials", "Trials that were pushed, by what became of them.", ["what"], registry=self._registry
        )
        queued = Gauge("tunedb_queued_trials", "Trials that wait to be committed.", registry=self._registry)
        queued.set_function(lambda: float(writer.queued_rows))

    def answered(self, method: str, route: str, status: int, secs: float) -> None:
        """Notes an answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._secs.labels(method, route).observe(secs)

    def pushed(self, added: int, duplicates: int) -> None:
        """Notes a push."""
        self._trials.labels("added").inc(added)
        self._trials.labels("duplicate").inc(duplicates)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
