"""What a server counts, in the text form of Prometheus."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """Requests by endpoint and status, their time, bytes sent, requests at work; over all processes of a server."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._requests = Counter(
            "ij_omero_http_requests", "Requests answered", ("endpoint", "method", "status"), registry=own
        )
        self._seconds = Histogram(
            "ij_omero_http_request_seconds", "Time of a request", ("endpoint",), registry=own, buckets=SECONDS
        )
        self._sent = Counter("ij_omero_http_sent_bytes", "Bytes of bodies sent", registry=own)
        self.at_work = Gauge(
            "ij_omero_http_requests_at_work", "Requests at work now", registry=own, multiprocess_mode="livesum"
        )
        self._registry = own

    def note(self, endpoint: str, method: str, status: int, seconds: float, sent: int) -> None:
        """Count one request that ended."""
        self._requests.labels(endpoint, method, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)
        if sent:
            self._sent.inc(sent)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
