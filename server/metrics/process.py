"""What one server process counts: Prometheus adds up what several of them say."""

from __future__ import annotations

import time
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

import bundle

# Else the library tells of every counter also when it began, as a series of its own.
disable_created_metrics()  # type: ignore[no-untyped-call]

PREFIX = "export_center_"
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets, in seconds, of what people and databases wait for."""

SLOW = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
"""Buckets, in seconds, of what happens at the other end of the world."""


class _Http(NamedTuple):
    requests: Counter
    seconds: Histogram
    sse_clients: Gauge
    downloads: Counter
    download_bytes: Counter
    downloads_aborted: Counter


class Meters:
    """The counters of one server, in a registry of their own: two servers in one process do not mix theirs."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._build = Info(f"{PREFIX}build", "The version that runs here.", registry=registry)
        self._build.info({"version": bundle.__version__})
        self.http = _http(registry)
        self.refused = _counter(registry, "submissions_refused", "Submissions over a limit: quota or cap.", "reason")
        self._auth = _counter(registry, "auth_refusals", "Requests that were not let in, by reason.", "reason")
        self._jwks = _counter(registry, "jwks_refreshes", "Times that the issuer's keys were fetched.", "outcome")
        self._attempts = _counter(registry, "webhook_attempts", "Attempts to tell webhooks.", "outcome")
        self._attempt_seconds = _histogram(registry, "webhook_attempt_seconds", "Time that attempts took.", SLOW)
        self._ledger = _histogram(
            registry, "ledger_transaction_seconds", "Time that transactions took, with waiting.", QUICK, "kind"
        )
        self._rounds = _counter(registry, "loop_rounds", "Rounds of the loops beside requests.", "loop", "outcome")
        self._loop_at = _gauge(
            registry, "loop_last_success_timestamp_seconds", "When a round went well for the last time.", "loop"
        )
        self._dispatches = _counter(registry, "dispatches", "Runs that Prefect took, or did not take yet.", "outcome")
        self._lost = _counter(registry, "runs_lost", "Runs whose process was gone, by what came of them.", "outcome")
        self._removed = _counter(registry, "housekeeping_removed", "What was removed for its age.", "what")
        for loop in ("dispatcher", "reconciler", "deployments", "rescuer", "housekeeper"):
            self._rounds.labels(loop, "failed")
        for reason in ("cap", "quota"):
            self.refused.labels(reason)

    def auth_refused(self, reason: str) -> None:
        """Count a request that was not let in."""
        self._auth.labels(reason).inc()

    def keys_fetched(self, well: bool) -> None:  # noqa: FBT001 - a call-back has one argument
        """Count a fetch of the issuer's keys."""
        self._jwks.labels("success" if well else "failure").inc()

    def attempted(self, outcome: str) -> None:
        """Count an attempt to tell a webhook: "delivered", "retried" or "given-up"."""
        self._attempts.labels(outcome).inc()

    def sent(self, seconds: float) -> None:
        """Take the time of an attempt, however it went."""
        self._attempt_seconds.observe(seconds)

    def transaction(self, kind: str, seconds: float) -> None:
        """Take the time of a transaction (``ledger.database.Ledger.timed``)."""
        self._ledger.labels(kind).observe(seconds)

    def round(self, loop: str, outcome: str) -> None:
        """Count a round of a loop: "worked", "idle" or "failed"."""
        self._rounds.labels(loop, outcome).inc()
        if outcome != "failed":
            self._loop_at.labels(loop).set(time.time())

    def dispatched(self, outcome: str) -> None:
        """Count a run that was handed to Prefect, or could not be: "success" or "postponed"."""
        self._dispatches.labels(outcome).inc()

    def removed(self, what: str, count: int) -> None:
        """Count what was removed for its age: "answers" to idempotency keys, "proofs", "messages" or "bundles"."""
        self._removed.labels(what).inc(count)

    def lost(self, outcome: str) -> None:
        """Count a run whose process is gone: "again" when it is dispatched anew, else how it ended."""
        self._lost.labels(outcome).inc()


def _http(registry: CollectorRegistry) -> _Http:
    return _Http(
        requests=_counter(registry, "http_requests", "Requests, by route template.", "method", "route", "status"),
        seconds=_histogram(
            registry, "http_request_seconds", "Time until an answer began.", (*QUICK, 30.0, 60.0), "method", "route"
        ),
        sse_clients=_gauge(registry, "sse_clients", "Clients that follow events now."),
        downloads=_counter(registry, "downloads", "Answers about bundles' bytes.", "status", "range"),
        download_bytes=_counter(registry, "download_bytes", "Bytes of bundles that were handed to the network."),
        downloads_aborted=_counter(registry, "downloads_aborted", "Downloads that ended before their last byte."),
    )


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(f"{PREFIX}{name}", text, labels, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"{PREFIX}{name}", text, labels, registry=registry)


def _histogram(
    registry: CollectorRegistry, name: str, text: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    return Histogram(f"{PREFIX}{name}", text, labels, buckets=buckets, registry=registry)
