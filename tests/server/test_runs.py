"""Sections 4, 5 and 6 of the contract over HTTP: submit, follow, cancel, list, download."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import httpx_sse
import pytest

from bundle.keys import load_public_key, signer_from_uri
from bundle.verify import verify
from ledger import dispatch, runs, states
from ledger.runs import Limits
from server.app import make_app
from server.context import trace_of
from server.engine import Surroundings
from server.running import clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERYWHERE = (
    "x-trace-id",
    "x-stella-quota-limit",
    "x-stella-quota-remaining",
    "x-stella-quota-reset",
    "ratelimit",
    "ratelimit-policy",
)
JSON = "application/json; charset=utf-8"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_a_submission_is_answered_with_what_the_contract_shows(running: Any) -> None:
    answer = running.http.post("/runs", json={"profileId": "json-raw", "selectors": {"tenants": ["acme"]}})
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["content-type"] == JSON
    assert all(name in answer.headers for name in EVERYWHERE)
    assert re.fullmatch(r"run-\d{8}-\d\d", body["runId"])
    assert answer.headers["location"] == body["links"]["self"] == f"/api/export/runs/{body['runId']}"
    assert body["links"]["events"] == f"/api/export/runs/{body['runId']}/events"
    assert (body["status"], body["profileId"], body["createdBy"]) == ("pending", "json-raw", "user:ops")
    assert body["selectors"] == {"tenants": ["acme"]}
    assert TIME.fullmatch(body["createdAt"])
    assert body["traceId"] == answer.headers["x-trace-id"]


def test_a_run_ends_with_a_bundle_that_verifies(running: Any, evidence_home: Path, tmp_path: Path) -> None:
    run_id = running.submit()
    run = running.ended(run_id)
    assert run["status"] == "success", run
    assert run["progress"]["recordsProcessed"] == run["counts"]["records"] > 100
    (target,) = run["distributions"]
    answer = running.http.get(f"/runs/{run_id}/download")
    assert answer.headers["content-disposition"] == f'attachment; filename="export-{run_id}.tar.zst"'
    assert answer.headers["x-export-digest"] == f"sha256:{target['sha256']}"
    assert int(answer.headers["x-export-size"]) == target["sizeBytes"] == len(answer.content)
    assert answer.headers["content-type"] == "application/zstd"
    assert all(name in answer.headers for name in EVERYWHERE)
    path = tmp_path / "bundle.tar.zst"
    path.write_bytes(answer.content)
    key = signer_from_uri(f"file:{evidence_home / 'keys' / 'default.key'}").public
    verified = verify(path, keys=[load_public_key(key.pem)], deep=True)
    assert verified.manifest.content_digest == run["contentDigest"]
    for name in ("manifest", "provenance"):
        member = "export.json" if name == "manifest" else "provenance.json"
        signed = running.http.get(f"/runs/{run_id}/{name}")
        assert signed.headers["content-type"] == JSON
        assert signed.content.startswith(b"{")
        signature = running.http.get(f"/runs/{run_id}/{name}", params={"signature": "true"})
        assert re.fullmatch(r"[A-Za-z0-9+/=]+\n?", signature.text), member
    listed = running.http.get(f"/runs/{run_id}/distributions").json()
    assert [each["type"] for each in listed["items"]] == ["http"]


def test_events_come_live_in_order_and_once(running: Any) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    told = []
    with httpx_sse.connect_sse(running.http, "GET", f"/runs/{run_id}/events") as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        for event in source.iter_sse():
            told.append((int(event.id or 0), event.event, json.loads(event.data)))
            running.prefect.held.set()
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    kinds = [kind for _, kind, _ in told]
    assert kinds[0] == "run.accepted"
    assert kinds[-3:] == ["run.progress", "run.distribution", "run.succeeded"]
    assert "run.signed" in kinds
    progress = next(data for _, kind, data in told if kind == "run.progress")
    assert progress.keys() == {"runId", "phase", "adapter", "records", "bytes", "timestamp"}
    assert [(each["id"], each["event"], each["data"]) for each in running.events(run_id)] == told
    after = running.http.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": str(len(told))})
    assert after.status_code == 204
    for form, first in (("sse", "id: 1\n"), ("audit", '{"id":1,')):
        foreign = running.http.get(f"/runs/{run_id}/events?format={form}", headers={"Last-Event-ID": "9999"})
        assert foreign.text.startswith(first), "an id that the run never had: all events come"
    with httpx_sse.connect_sse(
        running.http, "GET", f"/runs/{run_id}/events", headers={"Last-Event-ID": str(len(told) - 1)}
    ) as source:
        assert [event.event for event in source.iter_sse()] == ["run.succeeded"]


def test_the_stream_is_plain_lf_with_a_retry_first(running: Any) -> None:
    run_id = running.submit()
    running.ended(run_id)
    text = running.http.get(f"/runs/{run_id}/events").text
    assert "\r" not in text
    assert text.startswith("id: 1\nevent: run.accepted\ndata: {")
    assert text.count("retry: 2000\n") == 1
    assert text.index("retry: 2000\n") < text.index("id: 2\n")


def test_a_run_that_waits_is_canceled_at_once_and_one_at_work_when_it_ends(running: Any) -> None:
    running.prefect.is_down = True
    waiting = running.submit()
    answer = running.http.post(f"/runs/{waiting}:cancel", json={"reason": "Aborted due to incident INC-123"})
    assert answer.status_code == 202
    run = running.run(waiting)
    assert (run["status"], run["canceledBy"]) == ("canceled", "user:ops")
    last = running.events(waiting)[-1]
    assert last["event"] == "run.canceled"
    assert last["data"]["canceledBy"] == "user:ops"
    assert last["data"]["reason"] == "Aborted due to incident INC-123"
    again = running.http.post(f"/runs/{waiting}:cancel")
    assert (again.status_code, again.json()["code"]) == (409, "ERR_EXPORT_007")
    assert again.json()["details"][0]["canceledBy"] == "user:ops"
    download = running.http.get(f"/runs/{waiting}/download")
    assert (download.status_code, download.json()["code"]) == (409, "ERR_EXPORT_007")
    running.prefect.is_down = False
    running.prefect.held.clear()
    scheduled = running.submit()
    while "create" not in running.prefect.asked:
        pass
    assert running.http.post(f"/runs/{scheduled}:cancel").status_code == 202
    assert running.http.post(f"/runs/{scheduled}:cancel").status_code in (202, 409)
    assert running.ended(scheduled)["status"] == "canceled"
    assert [each["event"] for each in running.events(scheduled)].count("run.canceled") == 1


def test_a_run_whose_process_died_fails_by_itself(running: Any) -> None:
    running.prefect.held.clear()
    crashed, lost = running.submit(), running.submit()
    while running.prefect.asked.count("create") < 2:
        pass
    for run_id in (crashed, lost):
        running.prefect.begin(run_id)
    running.prefect.crash(crashed)
    running.prefect.forget(lost)
    for run_id in (crashed, lost):
        run = running.ended(run_id)
        assert (run["status"], run["errorCode"]) == ("failed", "crashed")
        assert run["error"]["code"] == "ERR_EXPORT_INTERNAL"


def test_a_run_that_was_lost_before_it_began_begins_anew(running: Any) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    while "create" not in running.prefect.asked:
        pass
    running.prefect.crash(run_id)
    while running.prefect.asked.count("create") < 2:
        pass
    running.prefect.held.set()
    assert running.ended(run_id)["status"] == "success"
    assert [each["event"] for each in running.events(run_id)].count("run.accepted") == 1


def test_a_run_whose_process_was_made_to_end_begins_anew(running: Any) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    while "create" not in running.prefect.asked:
        pass
    running.prefect.begin(run_id)
    with running.service.ledger.writing() as connection:
        assert states.release(connection, run_id)
    while running.prefect.asked.count("create") < 2:
        pass
    running.prefect.held.set()
    assert running.ended(run_id)["status"] == "success"
    assert "give up" in running.prefect.asked, "Prefect took the first for being at work"


def test_a_run_that_a_worker_took_that_is_gone_begins_anew(start: Callable[..., Any]) -> None:
    workers_since = [0]
    with start(surroundings=Surroundings(workers_since=lambda: workers_since[0])) as running:
        running.prefect.held.clear()
        run_id = running.submit()
        while "create" not in running.prefect.asked:
            pass
        running.prefect.take(run_id)
        workers_since[0] = clock()
        while running.prefect.asked.count("create") < 2:
            pass
        running.prefect.held.set()
        assert running.ended(run_id)["status"] == "success"


def test_a_run_whose_process_is_known_to_be_dead_fails_though_prefect_says_nothing(start: Callable[..., Any]) -> None:
    dead: list[str] = []
    with start(surroundings=Surroundings(is_dead=lambda row: row["run_id"] in dead)) as running:
        running.prefect.held.clear()
        run_id = running.submit()
        while "create" not in running.prefect.asked:
            pass
        running.prefect.begin(run_id)
        dead.append(run_id)
        assert running.ended(run_id)["errorCode"] == "crashed"


def test_a_run_that_is_canceled_as_its_process_is_started_is_soon_over_though_prefect_says_nothing(
    running: Any,
) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    while known_to_prefect(running, run_id) is None:
        pass
    running.prefect.end(f"flow-{run_id}", "CANCELLING")
    assert running.http.post(f"/runs/{run_id}:cancel").status_code == 202
    assert running.ended(run_id)["status"] == "canceled"
    assert "give up" in running.prefect.asked


def known_to_prefect(running: Any, run_id: str) -> str | None:
    with running.service.ledger.reading() as connection:
        found: str | None = runs.find(connection, run_id, tenant=None)["flow_run_id"]
    return found


def test_what_a_dead_process_left_is_removed(start: Callable[..., Any]) -> None:
    cleaned: list[str] = []
    around = Surroundings(clean=lambda row: cleaned.append(f"{row['tenant']}/{row['run_id']}"))
    with start(surroundings=around) as running:
        running.prefect.held.clear()
        run_id = running.submit()
        while "create" not in running.prefect.asked:
            pass
        running.prefect.begin(run_id)
        running.prefect.crash(run_id)
        assert running.ended(run_id)["status"] == "failed"
        assert cleaned == [f"acme/{run_id}"]


def test_a_run_that_is_lost_again_and_again_fails(running: Any) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    while running.run(run_id)["status"] == "pending":
        running.prefect.crash_all()
    assert (running.run(run_id)["status"], running.run(run_id)["errorCode"]) == ("failed", "crashed")
    assert running.prefect.asked.count("create") == 1 + dispatch.MOST_LOSSES


def test_nothing_that_matches_is_told_as_such(running: Any) -> None:
    run_id = running.submit(selectors={"ecosystems": ["Nowhere"]})
    run = running.ended(run_id)
    assert (run["status"], run["errorCode"], run["error"]["code"]) == ("failed", "empty", "ERR_EXPORT_EMPTY")
    assert running.events(run_id)[-1]["data"]["errorCode"] == "empty"
    for what in ("download", "manifest"):
        answer = running.http.get(f"/runs/{run_id}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (422, "ERR_EXPORT_EMPTY")
    assert (
        running.ended(running.submit(selectors={"ecosystems": ["Nowhere"]}, options={"allowEmpty": True}))["status"]
        == "success"
    )


def test_runs_wait_while_prefect_is_down_and_go_on_when_it_is_back(running: Any) -> None:
    running.prefect.is_down = True
    run_id = running.submit()
    assert running.run(run_id)["status"] == "pending"
    running.prefect.is_down = False
    assert running.ended(run_id)["status"] == "success"


def test_a_restart_loses_nothing(start: Callable[..., Any]) -> None:
    with start() as before:
        before.prefect.is_down = True
        run_id = before.submit()
    with start() as after:
        assert after.ended(run_id)["status"] == "success"
        assert [each["id"] for each in after.events(run_id)][:2] == [1, 2]


BAD = {
    "no JSON": (b"{", 400, "ERR_EXPORT_001"),
    "a text with U+0000": (b'{"profileId":"json-raw","selectors":{"ids":["a\\u0000"]}}', 400, "ERR_EXPORT_001"),
    "a key twice": (b'{"profileId":"json-raw","profileId":"x"}', 400, "ERR_EXPORT_001"),
    "no object": (b"[]", 400, "ERR_EXPORT_001"),
    "no profile": (b"{}", 400, "ERR_EXPORT_001"),
    "an unknown field": (b'{"profileId":"json-raw","nope":1}', 400, "ERR_EXPORT_001"),
    "a profile that is not there": (b'{"profileId":"nope"}', 404, "ERR_EXPORT_002"),
    "a selector that is none": (b'{"profileId":"json-raw","selectors":{"nope":[]}}', 400, "ERR_EXPORT_001"),
    "a window that ends before it begins": (
        b'{"profileId":"json-raw","selectors":{"timeWindow":{"from":"2025-02-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}}}',
        400,
        "ERR_EXPORT_001",
    ),
    "another's tenant": (b'{"profileId":"json-raw","selectors":{"tenants":["other"]}}', 403, "ERR_EXPORT_FORBIDDEN"),
    "no policy snapshot where one is required": (b'{"profileId":"json-policy"}', 400, "ERR_EXPORT_001"),
    "an unknown priority": (b'{"profileId":"json-raw","options":{"priority":"urgent"}}', 400, "ERR_EXPORT_001"),
    "a time that is none": (b'{"profileId":"json-raw","options":{"asOf":"today"}}', 400, "ERR_EXPORT_001"),
    "objects in objects in objects": (b'{"a":' * 700 + b"1" + b"}" * 700, 400, "ERR_EXPORT_001"),
    "lists in lists in lists": (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", 400, "ERR_EXPORT_001"),
    "a character that no ledger keeps": (b'{"profileId":[{"a":["\\u0000"]}]}', 400, "ERR_EXPORT_001"),
    "more than a mebibyte": (b'{"profileId":"' + b"x" * (1 << 20) + b'"}', 413, "ERR_EXPORT_REQUEST"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_submission_is_refused_and_leaves_nothing(running: Any, what: str) -> None:
    body, status, code = BAD[what]
    answer = running.http.post("/runs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json().keys() == {"code", "message", "details", "traceId", "timestamp"}
    assert answer.headers["content-type"] == JSON
    assert all(name in answer.headers for name in EVERYWHERE)
    assert all(isinstance(each, dict) for each in answer.json()["details"])
    assert running.http.get("/runs").headers["x-total-count"] == "0"


def test_a_profile_without_policy_runs_without_the_snapshot_that_was_named(running: Any) -> None:
    run_id = running.submit(policySnapshotId="policy-snap-42")
    assert (running.ended(run_id)["status"], running.run(run_id)["policySnapshotId"]) == ("success", None)


@pytest.mark.parametrize(
    ("media", "status"),
    {
        "application/json": 202,
        'application/json; charset="UTF-8"': 202,
        "Application/JSON;x=1; charset=utf-8": 202,
        "application/json; charset=utf-16": 415,
        "text/json": 415,
    }.items(),
)
def test_bodies_are_json_in_utf_8(running: Any, media: str, status: int) -> None:
    answer = running.http.post("/runs", content=b'{"profileId":"json-raw"}', headers={"Content-Type": media})
    assert answer.status_code == status


WRONG = {
    "GET /api/export/nothing": (404, "ERR_EXPORT_NOT_FOUND", None),
    "GET /api/export/runs/run-20200101-01": (404, "ERR_EXPORT_NOT_FOUND", None),
    "POST /api/export/runs/x:unknown": (404, "ERR_EXPORT_NOT_FOUND", None),
    "DELETE /api/export/webhooks/a%0Ab": (404, "ERR_EXPORT_NOT_FOUND", None),
    "GET /api/export/runs/a%00b": (404, "ERR_EXPORT_NOT_FOUND", None),
    "GET /api/export/runs?traceId=a%00b": (400, "ERR_EXPORT_001", None),
    "TRACE /api/export/runs": (405, "ERR_EXPORT_REQUEST", "GET, HEAD, POST"),
    "FROB /api/export/runs/x:cancel": (405, "ERR_EXPORT_REQUEST", "POST"),
    "DELETE /api/export/runs": (405, "ERR_EXPORT_REQUEST", "GET, HEAD, POST"),
    "GET /api/export/runs/x:cancel": (405, "ERR_EXPORT_REQUEST", "POST"),
    "PATCH /api/export/runs/x/download": (405, "ERR_EXPORT_REQUEST", "GET, HEAD"),
    "GET /api/export/runs?status=nope": (400, "ERR_EXPORT_001", None),
    "GET /api/export/runs?state=active": (400, "ERR_EXPORT_001", None),
    "GET /api/export/runs?page=0": (400, "ERR_EXPORT_001", None),
    "GET /api/export/runs?pageSize=201": (400, "ERR_EXPORT_001", None),
    "GET /api/export/runs?page=1&page=2": (400, "ERR_EXPORT_001", None),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(running: Any, what: str) -> None:
    method, _, path = what.partition(" ")
    status, code, allow = WRONG[what]
    answer = running.http.request(method, f"{running.url}{path}")
    assert (answer.status_code, answer.json()["code"], answer.headers.get("allow")) == (status, code, allow)


def test_another_tenant_sees_nothing(running: Any) -> None:
    run_id = running.submit()
    running.ended(run_id)
    foreign = {"X-Stella-Tenant": "other"}
    for path in ("", "/events", "/download", "/manifest", "/provenance", "/distributions"):
        answer = running.http.get(f"/runs/{run_id}{path}", headers=foreign)
        assert (answer.status_code, answer.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND"), path
    assert running.http.post(f"/runs/{run_id}:cancel", headers=foreign).status_code == 404
    assert running.http.get("/runs", headers=foreign).json()["items"] == []


def test_lists_have_pages_filters_and_links(running: Any) -> None:
    running.prefect.is_down = True
    made = [running.submit() for _ in range(3)]
    first = running.http.get("/runs", params={"status": "active", "pageSize": 2})
    assert [each["runId"] for each in first.json()["items"]] == made[:0:-1]
    assert first.headers["x-total-count"] == "3"
    links = {name: path for path, name in re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["link"])}
    assert links.keys() == {"first", "next", "last"}
    following = links["next"]
    second = running.http.get(f"{running.url}{following}")
    assert [each["runId"] for each in second.json()["items"]] == made[:1]
    assert running.http.get("/runs", params={"page": 9}).json()["items"] == []
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    other = running.http.post("/runs", json={"profileId": "json-raw"}, headers={"traceparent": trace}).json()
    assert other["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    found = running.http.get("/runs", params={"traceId": "0af7651916cd43dd8448eb211c80319c"}).json()["items"]
    assert [each["runId"] for each in found] == [other["runId"]]
    item = found[0]
    assert {"counts", "durationSeconds", "lastEvent"} <= item.keys()
    assert item["lastEvent"]["type"] == "run.accepted"


def test_the_same_key_a_hundred_times_makes_one_run(running: Any) -> None:
    running.prefect.is_down = True
    key = str(uuid.uuid4())

    def post(_number: int) -> tuple[int, bytes]:
        with httpx.Client(timeout=30) as http:
            answer = http.post(
                f"{running.url}/api/export/runs", json={"profileId": "json-raw"}, headers={"Idempotency-Key": key}
            )
            return answer.status_code, answer.content

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(post, range(100)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 202
    assert running.http.get("/runs").headers["x-total-count"] == "1"
    again = running.http.post("/runs", json={"profileId": "json-raw"}, headers={"Idempotency-Key": key})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-stella-quota-remaining"] == "999"
    other = running.http.post("/runs", json={"profileId": "mirror-full"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (422, "ERR_EXPORT_CONFLICT")
    malformed = running.http.post("/runs", json={"profileId": "json-raw"}, headers={"Idempotency-Key": "7"})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "ERR_EXPORT_001")


def test_over_the_cap_and_over_the_quota(start: Callable[..., Any]) -> None:
    with start(limits=Limits(active_runs=2, runs_a_day=3)) as running:
        running.prefect.is_down = True
        made = [running.submit(), running.submit()]
        capped = running.http.post("/runs", json={"profileId": "json-raw"})
        assert (capped.status_code, capped.json()["code"]) == (429, "ERR_EXPORT_003")
        assert capped.json()["details"] == [{"retryAfterSeconds": int(capped.headers["retry-after"])}]
        running.http.post(f"/runs/{made[0]}:cancel")
        running.submit()
        running.http.post(f"/runs/{made[1]}:cancel")
        spent = running.http.post("/runs", json={"profileId": "json-raw"})
        assert (spent.status_code, spent.json()["code"]) == (429, "ERR_EXPORT_QUOTA")
        assert spent.headers["x-stella-quota-remaining"] == "0"
        assert int(spent.headers["x-stella-quota-reset"]) % 86_400 == 0
        assert re.fullmatch(r'"runs-a-day";r=0;t=[1-9][0-9]*', spent.headers["ratelimit"])


def test_clients_that_come_back_when_told_all_succeed_and_the_cap_holds(start: Callable[..., Any]) -> None:
    """Through two servers on one ledger, as behind a load balancer."""
    limits = Limits(active_runs=4, runs_a_day=100)
    with start(limits=limits) as one, start(limits=limits, prefect=one.prefect) as other:
        seen: list[int] = []

        def client(number: int) -> str:
            running = (one, other)[number % 2]
            while True:
                answer = running.http.post("/runs", json={"profileId": "json-raw"})
                if answer.status_code == 202:
                    return str(answer.json()["runId"])
                assert answer.json()["code"] == "ERR_EXPORT_003", answer.text
                time.sleep(answer.json()["details"][0]["retryAfterSeconds"] / 4)

        def sample() -> None:
            while len(seen) < 1 or not done.is_set():
                seen.append(int(one.http.get("/runs", params={"status": "active"}).headers["x-total-count"]))

        done = threading.Event()
        watcher = threading.Thread(target=sample)
        watcher.start()
        with ThreadPoolExecutor(12) as pool:
            made = list(pool.map(client, range(20)))
        for run_id in made:
            assert one.ended(run_id)["status"] == "success"
        done.set()
        watcher.join()
    assert len(set(made)) == 20
    assert 0 < max(seen) <= 4


ELSEWHERE = {
    "a page of a web site": {"Origin": "https://evil.example"},
    "a page of another server on this machine": {"Origin": "http://127.0.0.1:1"},
    "a page without an address": {"Origin": "null"},
    "a name that leads to loopback": {"Host": "evil.example"},
    "a page whose address is none": {"Origin": "http://["},
    "a host that is none": {"Host": "["},
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_without_authentication_no_page_from_elsewhere_gets_in(running: Any, what: str) -> None:
    answer = running.http.post("/runs/x:cancel", headers=ELSEWHERE[what])
    assert (answer.status_code, answer.json()["code"]) == (403, "ERR_EXPORT_FORBIDDEN")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_without_authentication_loopback_has_several_names(running: Any, host: str) -> None:
    named = f"{host}:{running.port}"
    headers = {"Host": named, "Origin": f"http://{named}"}
    assert running.http.get("/runs", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a" * 129])
def test_a_tenant_without_a_sound_name_is_refused(running: Any, name: str) -> None:
    answer = running.http.get("/runs", headers={"X-Stella-Tenant": name})
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_EXPORT_001")


NO_FILTERS = {
    "two revisions": "a@1@2",
    "more digits than a revision has": "a@99999999999999999999",
    "a digit that is not of ASCII": "a@\u0663",
    "no revision after all": "a@",
    "nothing": "",
}


@pytest.mark.parametrize("what", NO_FILTERS)
def test_a_filter_that_no_profile_can_match_is_refused(running: Any, what: str) -> None:
    answer = running.http.get("/runs", params={"profileId": NO_FILTERS[what]})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "profileId"), answer.text


def test_a_list_is_narrowed_to_a_profile_or_to_one_revision_of_it(running: Any) -> None:
    run_id = running.submit()
    found = {
        wanted: [each["runId"] for each in running.http.get("/runs", params={"profileId": wanted}).json()["items"]]
        for wanted in ("json-raw", "json-raw@1", "json-raw@2", "json-policy")
    }
    assert found == {"json-raw": [run_id], "json-raw@1": [run_id], "json-raw@2": [], "json-policy": []}


_TRACE, _PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACES = {
    "of version 00": (f"00-{_TRACE}-{_PARENT}-01", f"00-{_TRACE}-{_PARENT}-01"),
    "of a later version": (f"01-{_TRACE}-{_PARENT}-01", f"01-{_TRACE}-{_PARENT}-01"),
    "of a later version that goes on": (f"01-{_TRACE}-{_PARENT}-01-{'x' * 300}", f"01-{_TRACE}-{_PARENT}-01"),
    "of version 00 that goes on": (f"00-{_TRACE}-{_PARENT}-01-xxx", None),
    "of no version": (f"ff-{_TRACE}-{_PARENT}-01", None),
}


@pytest.mark.parametrize("what", TRACES)
def test_a_trace_is_taken_over_that_is_well_formed(what: str) -> None:
    header, parent = TRACES[what]
    trace = trace_of(header)
    assert (trace.id == _TRACE, trace.parent) == (parent is not None, parent or trace.parent)
    assert len(trace.parent) == 55


def test_a_client_that_breaks_its_request_off_is_no_fault(running: Any) -> None:
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/api/export/runs", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", running.port),
    }  # fmt: skip
    coming = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(make_app(running.service)(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
