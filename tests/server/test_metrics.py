"""What /metrics says is what happened: scraped from the real server, read by Prometheus' own parser."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.proofs import SharedReplays
from ledger.runs import Limits
from ledger.tallies import BUCKETS, BYTES
from server.delivery import Delivery
from server.egress import networks
from server.embedded import free_port
from server.metrics.page import Exposure, exposing
from server.retention import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Receiver, Running


ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


class Scrape:
    """What one scrape said, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a name that have these labels."""
        full = f"export_center_{name}"
        fitting = [each for each in self.samples if each.name == full and labels.items() <= each.labels.items()]
        return sum(each.value for each in fitting)

    def labels(self, name: str, label: str) -> set[str]:
        return {each.labels[label] for each in self.samples if each.name == f"export_center_{name}"}


def scrape(running: Running) -> Scrape:
    answer = httpx.get(f"{running.url}/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Scrape(answer.text)


def until(running: Running, check: Callable[[Scrape], bool]) -> Scrape:
    """Scrape until something is so: a client has its answer a moment before the server has counted it."""
    end = time.monotonic() + 10
    while not check(found := scrape(running)):
        assert time.monotonic() < end, [each for each in found.samples if each.name.startswith("export_center")]
        time.sleep(0.02)
    return found


def test_runs_are_counted_by_tenant_profile_and_status_with_time_records_and_bytes(running: Running) -> None:
    good = running.submit()
    bad = running.submit(selectors={"ids": ["CVE-none"]})
    size = running.ended(good)["distributions"][0]["sizeBytes"]
    records = running.ended(good)["progress"]["recordsProcessed"]
    assert running.ended(bad)["errorCode"] == "empty"
    found = scrape(running)
    mine = {"tenant": "acme", "profile": "json-raw"}
    assert found("runs_accepted_total", **mine) == 2
    assert (
        found("runs_ended_total", **mine, status="success") == found("runs_ended_total", **mine, status="failed") == 1
    )
    assert found("runs_failed_total", error_code="empty") == 1
    assert found("run_bundle_bytes_sum") == size
    assert found("run_records_sum") == records > 0
    assert found("run_bundle_bytes_count") == found("run_records_count") == 1
    assert found("run_duration_seconds_count") == found("run_wait_seconds_count") == 2
    assert found("run_duration_seconds_bucket", le="+Inf") == 2
    for bound in BUCKETS[BYTES]:
        assert found("run_bundle_bytes_bucket", le=str(float(bound))) == (size <= bound), bound
    assert 0 < found("run_duration_seconds_sum") < 60
    assert found("events_total") == len(running.events(good)) + len(running.events(bad))
    assert found("dispatches_total", outcome="success") == 2
    assert found("runs_active") == 0


def test_what_waits_is_counted_with_its_age(running: Running) -> None:
    running.prefect.held.clear()
    running.submit()
    found = scrape(running)
    assert found("queue_runs", status="pending") == found("runs_active", tenant="acme", status="pending") == 1
    assert found("queue_runs", status="running") == 0
    time.sleep(0.05)
    assert scrape(running)("queue_oldest_seconds") > found("queue_oldest_seconds") > 0


def test_every_server_of_a_ledger_says_the_same_of_runs(start: Callable[..., Any]) -> None:
    with start() as one, start(prefect=one.prefect) as other:
        one.ended(one.submit())
        told = [
            [(each.name, each.labels, each.value) for each in scrape(each).samples if "_run" in each.name]
            for each in (one, other)
        ]
        local = ("runs_lost", "process")
        first, second = ([each for each in found if not any(word in each[0] for word in local)] for found in told)
        assert first == second
        assert (
            "export_center_runs_ended_total",
            {"tenant": "acme", "profile": "json-raw", "status": "success"},
            1.0,
        ) in first


def test_tenants_beyond_the_first_ones_are_told_together_and_keep_their_places(start: Callable[..., Any]) -> None:
    with start(metrics=Exposure(named=2)) as running:
        running.prefect.held.clear()
        for tenant in ("zeta", "alpha", "mid", "beta"):
            running.http.post("/runs", json={"profileId": "json-raw"}, headers={"X-Stella-Tenant": tenant})
        found = scrape(running)
        assert found.labels("runs_accepted_total", "tenant") == {"zeta", "alpha", "other"}
        assert found("runs_accepted_total", tenant="other") == found("runs_active", tenant="other") == 2


def test_requests_are_counted_by_template_whatever_clients_make_up(running: Running) -> None:
    run = running.submit()
    for _ in range(3):
        running.run(run)
    assert running.http.get("/runs/run-00000000-99").status_code == 404
    for path in ("/nothing/here", "/%6eothing", "/runs/a/b/c"):
        assert running.http.get(path).status_code == 404
    assert running.http.request("BREW", "/runs").status_code == 405
    found = scrape(running)
    one = "/api/export/runs/{runId}"
    assert found("http_requests_total", method="GET", route=one, status="200") == 3
    assert found("http_requests_total", method="GET", route=one, status="404") == 1
    assert found("http_requests_total", method="POST", route="/api/export/runs", status="202") == 1
    assert found("http_requests_total", route="unmatched", status="404") == 3
    assert found("http_requests_total", method="other", route="unmatched", status="405") == 1
    assert found("http_request_seconds_count", method="GET", route=one) == 4
    assert not any("nothing" in value or "run-" in value for each in found.samples for value in each.labels.values())


def test_downloads_are_counted_with_ranges_bytes_and_status(running: Running) -> None:
    run = running.submit()
    size = running.ended(run)["distributions"][0]["sizeBytes"]
    path = f"/runs/{run}/download"
    whole = running.http.get(path)
    assert len(whole.content) == size
    running.http.head(path)
    running.http.get(path, headers={"Range": "bytes=0-99"})
    several = running.http.get(path, headers={"Range": "bytes=0-9,20-29"})
    running.http.get(path, headers={"Range": f"bytes={size}-"})
    running.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    ticket = running.http.post(f"/runs/{run}:ticket").json()["location"]
    httpx.get(f"{running.url}{ticket}")
    found = until(running, lambda each: each("download_bytes_total") >= 2 * size + 100 + len(several.content))
    assert found("download_bytes_total") == 2 * size + 100 + len(several.content)
    assert found("downloads_total", status="200", range="whole") == 3
    assert (
        found("downloads_total", status="206", range="one")
        == found("downloads_total", status="206", range="several")
        == 1
    )
    assert found("downloads_total", status="416") == found("downloads_total", status="304") == 1
    assert found("downloads_aborted_total") == 0


def test_clients_that_follow_events_are_counted_while_they_do(running: Running) -> None:
    running.prefect.held.clear()
    run = running.submit()
    with running.http.stream("GET", f"/runs/{run}/events") as one, running.http.stream("GET", f"/runs/{run}/events"):
        lines = one.iter_lines()
        next(lines)
        until(running, lambda found: found("sse_clients") == 2)
    until(running, lambda found: found("sse_clients") == 0)


def test_refusals_are_counted_by_their_limit(start: Callable[..., Any]) -> None:
    with start(limits=Limits(active_runs=1, runs_a_day=2)) as running:
        found = scrape(running)
        assert found("submissions_refused_total") == 0
        assert found.labels("submissions_refused_total", "reason") == {"cap", "quota"}
        running.prefect.held.clear()
        first = running.submit()
        assert running.http.post("/runs", json={"profileId": "json-raw"}).json()["code"] == "ERR_EXPORT_003"
        running.prefect.held.set()
        running.ended(first)
        running.ended(running.submit())
        for _ in range(2):
            assert running.http.post("/runs", json={"profileId": "json-raw"}).json()["code"] == "ERR_EXPORT_QUOTA"
        found = scrape(running)
        assert found("submissions_refused_total", reason="cap") == 1
        assert found("submissions_refused_total", reason="quota") == 2


def test_webhooks_are_counted_with_attempts_outbox_and_dead_letters(running: Running, receiver: Receiver) -> None:
    asked = {"targetUrl": receiver.url, "events": ["run.succeeded"]}
    receiver.script = [(500, {}), (410, {})]
    hook = running.http.post("/webhooks", json=asked).json()["webhookId"]
    running.http.post("/webhooks", json={**asked, "events": ["run.failed"]})
    run = running.submit()
    running.ended(run)
    found = until(running, lambda each: each("webhook_attempts_total", outcome="retried") == 1)
    assert found("webhook_outbox_messages") == 1
    assert found("webhook_outbox_oldest_seconds") > 0
    assert found("webhooks", status="active") == 2
    running.http.post(f"/webhooks/{hook}:ping")
    found = until(running, lambda each: each("webhook_attempts_total", outcome="given-up") == 1)
    assert found("webhook_attempt_seconds_count") == 2
    assert found("webhook_outbox_messages") == 0
    assert found("webhook_dead_letters") == found("webhooks", status="disabled") == 1


def test_what_the_service_stands_on_is_told(running: Running) -> None:
    found = scrape(running)
    assert found("prefect_up") == found("ledger_up") == 1
    assert found("ledger_transaction_seconds_count", kind="write") > 0
    assert found("loop_rounds_total", loop="dispatcher") > 0
    assert found("loop_last_success_timestamp_seconds", loop="housekeeper") == pytest.approx(time.time(), abs=60)
    running.prefect.is_down = True
    running.submit()
    found = until(running, lambda each: each("dispatches_total", outcome="postponed") == 1)
    assert found("prefect_up") == 0
    assert found("ledger_up") == 1


def test_lost_runs_are_counted(running: Running) -> None:
    running.prefect.held.clear()
    run = running.submit()
    until(running, lambda each: each("dispatches_total", outcome="success") == 1)
    running.prefect.begin(run)
    running.prefect.crash(run)
    assert running.ended(run)["errorCode"] == "crashed"
    found = until(running, lambda each: each("runs_lost_total", outcome="crashed") == 1)
    assert found("runs_failed_total", error_code="crashed") == 1


def test_what_is_removed_for_its_age_is_counted(running: Running) -> None:
    for number in range(2):
        headers = {"Idempotency-Key": f"00000000-0000-4000-8000-00000000000{number}"}
        answer = running.http.post("/runs", json={"profileId": "json-raw"}, headers=headers)
        running.ended(answer.json()["runId"])
    ledger, meters = running.service.ledger, running.service.meters
    replays = SharedReplays(ledger)
    assert [replays.first_time(bytes([at]) * 32, at) for at in (1, 2, 3)] == [True, True, True]
    with ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE idempotency_keys SET created_at = 0")
        connection.exec_driver_sql(
            "INSERT INTO webhook_deliveries (webhook_id, message_id, event, state, attempts, claim, created_at)"
            " VALUES ('wh-gone', 'msg-1', 'run.failed', 'delivered', 1, 1, 0)"
        )
        connection.exec_driver_sql("UPDATE distributions SET expires_at = 1")
    running.engine.forget_old()
    Keeper(ledger, running.service.bundles, running.service.clock, meters=meters).once()
    Delivery(ledger, running.service.vault, lambda *_: None, running.service.clock, meters=meters).forget_old()  # type: ignore[arg-type, return-value]
    found = scrape(running)
    removed = {
        what: found("housekeeping_removed_total", what=what) for what in ("answers", "proofs", "messages", "bundles")
    }
    assert removed == {"answers": 2, "proofs": 3, "messages": 1, "bundles": 2}


def test_a_ledger_that_is_away_does_not_hide_the_other_numbers(running: Running) -> None:
    running.submit()
    with running.service.ledger.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE tallies RENAME TO hidden")
    found = scrape(running)
    assert found("ledger_up") == 0
    assert found("http_requests_total", status="202") == 1
    assert "export_center_runs_accepted" not in found.families


def test_only_this_machine_is_told_unless_a_network_is_named(start: Callable[..., Any]) -> None:
    with start() as running:
        foreign = httpx.get(f"{running.url}/metrics", headers={"Host": "rebound.example"})
        assert httpx.get(f"{running.url}/metrics", headers={"Host": "["}).status_code == 403
        assert foreign.status_code == 403
        assert foreign.json()["code"] == "ERR_EXPORT_FORBIDDEN"
    with start(metrics=Exposure(networks=networks(["127.0.0.0/8"]))) as running:
        assert httpx.get(f"{running.url}/metrics", headers={"Host": "prometheus.example"}).status_code == 200
    with start(metrics=Exposure(networks=networks(["10.0.0.0/8"]))) as running:
        assert httpx.get(f"{running.url}/metrics", headers={"Host": "prometheus.example"}).status_code == 403


def test_an_address_of_their_own_tells_numbers_and_nothing_else_does(start: Callable[..., Any]) -> None:
    port = free_port()
    with start(metrics=Exposure(listen=("127.0.0.1", port))) as running:
        running.submit()
        assert httpx.get(f"{running.url}/metrics").status_code == 404
        found = Scrape(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
        assert found("runs_accepted_total") == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert not [each for each in threading.enumerate() if "serve_forever" in each.name]


def test_an_address_that_somebody_has_is_named(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = taken.getsockname()
        with pytest.raises(OSError, match=f"metrics cannot be told at 127.0.0.1:{own[1]}: Address already in use"):
            exposing(running.service, Exposure(listen=own)).__enter__()


def test_openmetrics_is_told_to_who_asks_for_it(running: Running) -> None:
    wanted = "application/openmetrics-text; version=1.0.0"
    answer = httpx.get(f"{running.url}/metrics", headers={"Accept": wanted})
    assert answer.headers["content-type"].startswith(wanted)
    assert answer.text.endswith("# EOF\n")


def test_the_page_on_architecture_lists_every_metric_with_its_labels(running: Running) -> None:
    """Labels of what never happened here are not told, and so not compared."""
    rows = re.findall(r"(?m)^\| `export_center_([a-z_]+)` \| ([a-z_, ]*) ?\|", ARCHITECTURE.read_text())
    documented = {name: {label for label in labels.replace(" ", "").split(",") if label} for name, labels in rows}
    running.ended(running.submit())
    registry = running.service.meters.registry
    families = [each for each in registry.collect() if not each.name.startswith("process_")]
    suffix = {"counter": "_total", "info": "_info"}
    told = {f"{each.name}{suffix.get(each.type, '')}".removeprefix("export_center_"): each for each in families}
    assert set(documented) == set(told)
    for name, family in told.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert not family.samples or labels == documented[name], name
    assert sum(bool(each.samples) for each in families) > 25


@pytest.mark.counterpart
@pytest.mark.optional
def test_promtool_finds_nothing_wrong(running: Running, counterpart: Callable[[str], str]) -> None:
    running.ended(running.submit())
    told = httpx.get(f"{running.url}/metrics").content
    checked = subprocess.run(
        [counterpart("promtool"), "check", "metrics"], input=told, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
