"""What the ledger knows, read when Prometheus asks: every server of an installation says the same."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from ledger import census, tallies
from ledger.tables import ACTIVE
from ledger.times import SECOND
from server.metrics.process import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from ledger.census import Census
    from ledger.database import Ledger
    from ledger.tallies import Tally

LOG = logging.getLogger("export_center.metrics")
MOST_NAMED = 30
OTHER = "other"

HISTOGRAMS = {
    tallies.WAIT: ("run_wait_seconds", "Time from a run's acceptance to its beginning."),
    tallies.SECONDS: ("run_duration_seconds", "Time from a run's beginning to its end."),
    tallies.BYTES: ("run_bundle_bytes", "Bytes of runs' bundles."),
    tallies.RECORDS: ("run_records", "Records in runs' bundles."),
}
IN_MICROSECONDS = (tallies.WAIT, tallies.SECONDS)


class FromLedger:
    """Collects them; no more than ``named`` tenants, and as many profiles, have a name of their own."""

    def __init__(self, ledger: Ledger, clock: Callable[[], int], *, named: int = MOST_NAMED) -> None:
        """Read an open ledger."""
        self._ledger, self._clock, self._named = ledger, clock, named

    def describe(self) -> Iterable[Metric]:
        """Return nothing: whoever registers this need not open a transaction for it."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers of this moment; of a ledger that does not answer, that it does not."""
        up = GaugeMetricFamily(f"{PREFIX}ledger_up", "Whether the ledger answers.")
        try:
            with self._ledger.reading() as connection:
                taken = census.take(connection)
        except SQLAlchemyError:
            LOG.exception("the ledger does not tell its numbers")
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from _runs(taken, self._named)
        yield from _states(taken, self._clock())


def _runs(taken: Census, most: int) -> Iterator[Metric]:
    tenants = _named((each.tenant for each in taken.tallies), most)
    profiles = _named((each.profile for each in taken.tallies), most)

    def names(tenant: str, profile: str) -> tuple[str, str]:
        return tenants.get(tenant, OTHER), profiles.get(profile, OTHER)

    yield _counter("runs_accepted", "Runs that were taken in.", ("tenant", "profile"), (
        (names(each.tenant, each.profile), each.value) for each in taken.tallies if each.name == tallies.ACCEPTED
    ))  # fmt: skip
    yield _counter("runs_ended", "Runs that ended, by their status.", ("tenant", "profile", "status"), (
        ((*names(each.tenant, each.profile), each.label), each.value)
        for each in taken.tallies if each.name == tallies.ENDED
    ))  # fmt: skip
    yield _counter("runs_failed", "Runs that failed, by errorCode.", ("error_code",), (
        ((each.label,), each.value) for each in taken.tallies if each.name == tallies.FAILED
    ))  # fmt: skip
    active = Counter[tuple[str, ...]]()
    for each in taken.active:
        active[*names(each.tenant, each.profile), each.status] += each.runs
    yield _gauge("runs_active", "Runs that are pending or running.", ("tenant", "profile", "status"), active)
    for name, (metric, text) in HISTOGRAMS.items():
        yield _histogram(name, metric, text, [each for each in taken.tallies if each.name == name], profiles)


def _states(taken: Census, now: int) -> Iterator[Metric]:
    counts = Counter[str]()
    for each in taken.active:
        counts[each.status] += each.runs
    yield _gauge("queue_runs", "Active runs of all tenants.", ("status",), {(name,): counts[name] for name in ACTIVE})
    yield _gauge("queue_oldest_seconds", "Age of the oldest pending run.", (), {(): _age(taken.oldest_pending, now)})
    yield _counter("events", "Rows of the event log, dead letters included.", (), [((), taken.events)])
    hooks = {(status,): taken.webhooks.get(status, 0) for status in ("active", "disabled")}
    yield _gauge("webhooks", "Webhooks that are registered.", ("status",), hooks)
    pending, dead = (taken.messages.get(state, census.Waiting()) for state in ("pending", "dead"))
    yield _gauge("webhook_outbox_messages", "Messages that wait to be sent.", (), {(): pending.number})
    oldest = {(): _age(pending.oldest, now)}
    yield _gauge("webhook_outbox_oldest_seconds", "Age of the oldest message that waits.", (), oldest)
    yield _gauge("webhook_dead_letters", "Messages that were given up, and not replayed yet.", (), {(): dead.number})


def _named(names: Iterable[str], most: int) -> dict[str, str]:
    """Return the names that are told: those that came first, so that no series changes its meaning later."""
    return {name: name for name in [name for name in dict.fromkeys(names) if name][:most]}


def _age(since: int | None, now: int) -> float:
    return 0.0 if since is None else max(now - since, 0) / SECOND


def _counter(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    summed = Counter[tuple[str, ...]]()
    for key, value in values:
        summed[key] += value
    family = CounterMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for key, value in summed.items():
        family.add_metric(key, value)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(
    name: str, metric: str, text: str, rows: Sequence[Tally], profiles: dict[str, str]
) -> HistogramMetricFamily:
    """Return a distribution; its buckets are tallies, none of which counts in another."""
    family = HistogramMetricFamily(f"{PREFIX}{metric}", text, labels=("profile",))
    unit = SECOND if name in IN_MICROSECONDS else 1
    bounds = [*tallies.BUCKETS[name], float("inf")]
    for profile in dict.fromkeys(profiles.get(row.profile, OTHER) for row in rows):
        mine = [row for row in rows if profiles.get(row.profile, OTHER) == profile]
        counts = [(float(row.label), row.value) for row in mine if row.label != tallies.SUM]
        total = sum(row.value for row in mine if row.label == tallies.SUM)
        buckets = [(_le(bound), sum(value for at, value in counts if at <= bound)) for bound in bounds]
        family.add_metric((profile,), buckets, total / unit)
    return family


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(float(bound))
