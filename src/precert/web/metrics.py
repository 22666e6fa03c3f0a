"""Prometheus metrics of one running server. No names of people or places in any label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


class Metrics:
    """A registry of its own per app, so that two apps in one process (tests) do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "precert_http_requests",
            "Requests by route, method and status",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "precert_http_request_seconds", "Time to answer", ["route"], buckets=_BUCKETS, registry=self.registry
        )
        self.decisions = Counter(
            "precert_decisions", "Line decisions by channel and outcome", ["channel", "outcome"], registry=self.registry
        )
        self.policies = Gauge("precert_policies", "Active policy versions loaded", registry=self.registry)
        self.withheld = Gauge(
            "precert_policies_withheld",
            "Rules that could not be loaded; a person decides about their services",
            registry=self.registry,
        )

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
