"""Section 7 of the contract over HTTP: register, be told, look at what did not arrive, have it sent again."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from ledger import audit
from ledger.tables import AUDIT, IDEMPOTENCY, WEBHOOKS
from server.egress import Egress
from server.endpoints import ENDPOINTS
from server.routing import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://hooks.example.com/exports"


def create(running: Any, **body: Any) -> dict[str, Any]:
    answer = running.http.post("/webhooks", json={"targetUrl": URL, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def get(running: Any, webhook_id: str) -> dict[str, Any]:
    return dict(running.http.get(f"/webhooks/{webhook_id}").json())


def until(found: Callable[[], Any], wanted: Callable[[Any], bool], *, seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while not wanted(value := found()):
        assert time.monotonic() < end, value
        time.sleep(0.02)
    return value


def test_a_webhook_is_told_of_a_run_that_succeeded_and_both_signatures_hold(running: Any, receiver: Any) -> None:
    made = create(running, targetUrl=receiver.url)
    run_id = running.submit()
    assert running.ended(run_id)["status"] == "success"
    (told,) = receiver.wait(1)
    assert told.path == "/hook?who=ops"
    assert told.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert told.headers["content-type"] == "application/json; charset=utf-8"
    last = running.events(run_id)[-1]
    body = json.loads(told.body)
    assert body == {"type": "run.succeeded", "timestamp": last["data"]["timestamp"], "data": last["data"]}
    assert Webhook(made["secret"]).verify(told.body, dict(told.headers)) == body
    expected = hmac.new(made["secret"].encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-stella-signature"] == f"sha256={expected}"
    assert told.headers["webhook-id"] == f"msg-{run_id}-{last['id']}"
    assert abs(int(told.headers["webhook-timestamp"]) - time.time()) < 60
    shown = until(lambda: get(running, made["webhookId"]), lambda value: value["pending"] == 0)
    assert shown["lastDelivery"]["messageId"] == told.headers["webhook-id"]
    assert (shown["lastDelivery"]["status"], shown["lastDelivery"]["error"]) == (204, None)


def test_a_webhook_hears_of_what_it_asked_for_in_order_and_of_its_own_tenant(running: Any, receiver: Any) -> None:
    wanted = ["run.signed", "run.accepted", "run.distribution", "run.succeeded", "run.accepted"]
    made = create(running, targetUrl=receiver.url, events=wanted, secret="any words at all")
    assert made["events"] == sorted(set(wanted))
    assert "secret" not in made
    running.http.post("/runs", json={"profileId": "json-raw"}, headers={"X-Stella-Tenant": "globex"})
    running.ended(running.submit())
    told = receiver.wait(4)
    assert {json.loads(each.body)["type"] for each in told} == set(wanted)
    numbers = [int(each.headers["webhook-id"].rpartition("-")[2]) for each in told]
    assert numbers == sorted(set(numbers))
    for each in told:
        Webhook(b"any words at all").verify(each.body, dict(each.headers))


def test_creation_answers_with_everything_and_shows_a_secret_it_made_once(running: Any) -> None:
    answer = running.http.post("/webhooks", json={"targetUrl": URL, "description": "the release board"})
    made = answer.json()
    assert answer.status_code == 201
    assert made["webhookId"].startswith("wh-")
    assert answer.headers["location"] == made["links"]["self"] == f"/api/export/webhooks/{made['webhookId']}"
    assert made["secret"].startswith("whsec_")
    facts = {key: made[key] for key in ("targetUrl", "events", "status", "createdBy", "description", "lastDelivery")}
    assert facts == {
        "targetUrl": URL, "events": ["run.succeeded"], "status": "active", "createdBy": "user:ops",
        "description": "the release board", "lastDelivery": None,
    }  # fmt: skip
    shown = get(running, made["webhookId"])
    assert {**shown, "traceId": ""} == {**{key: made[key] for key in made if key != "secret"}, "traceId": ""}
    assert made["secret"] not in running.http.get("/webhooks").text


def test_the_same_key_gives_the_same_secret_and_no_row_of_the_ledger_tells_it(running: Any) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = running.http.post("/webhooks", json={"targetUrl": URL}, headers=key)
    second = running.http.post("/webhooks", json={"targetUrl": URL}, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert "sealed" not in second.headers
    assert second.json() == first.json()
    secret = first.json()["secret"].encode()
    with running.service.ledger.reading() as connection:
        rows = [
            str(row).encode() for table in (WEBHOOKS, IDEMPOTENCY, AUDIT) for row in connection.execute(select(table))
        ]
    assert len(rows) == 3
    assert not any(secret in row or secret[6:] in row for row in rows)
    assert running.http.get("/webhooks").headers["x-total-count"] == "1"


REFUSED = {
    "no target": {},
    "plain http": {"targetUrl": "http://hooks.example.com/"},
    "another scheme": {"targetUrl": "ftp://hooks.example.com/"},
    "no URL": {"targetUrl": "hooks"},
    "no host": {"targetUrl": "https:///x"},
    "a user": {"targetUrl": "https://ann:pw@hooks.example.com/"},
    "a fragment": {"targetUrl": "https://hooks.example.com/#x"},
    "a loopback address": {"targetUrl": "https://127.0.0.1/"},
    "a loopback address of version 6": {"targetUrl": "https://[::1]/"},
    "the metadata service": {"targetUrl": "https://169.254.169.254/latest"},
    "an unknown event": {"targetUrl": URL, "events": ["run.exploded"]},
    "no events": {"targetUrl": URL, "events": []},
    "an empty secret": {"targetUrl": URL, "secret": ""},
    "an unknown field": {"targetUrl": URL, "verify": False},
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_webhook_is_refused_with_the_field(start: Any, body: dict[str, Any]) -> None:
    with start(egress=Egress()) as running:
        answer = running.http.post("/webhooks", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "ERR_EXPORT_001"), answer.text
        fields = {each["field"].partition("[")[0] for each in answer.json()["details"]}
        assert fields == {next((name for name in body if name != "targetUrl"), "targetUrl")}
        assert running.http.get("/webhooks").json()["items"] == []


def test_webhooks_are_listed_by_pages_and_removed(running: Any) -> None:
    ids = [create(running)["webhookId"] for _ in range(3)]
    answer = running.http.get("/webhooks", params={"pageSize": 2})
    assert [each["webhookId"] for each in answer.json()["items"]] == ids[:0:-1]
    assert answer.headers["x-total-count"] == "3"
    assert 'rel="next"' in answer.headers["link"]
    gone = running.http.delete(f"/webhooks/{ids[1]}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert running.http.delete(f"/webhooks/{ids[1]}").status_code == 404
    assert running.http.get("/webhooks").headers["x-total-count"] == "2"
    assert running.http.get("/webhooks", params={"tenant": "x"}).status_code == 400
    wrong = running.http.put(f"/webhooks/{ids[0]}")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/dead-letters"),
        ("POST", ":replay"),
        ("POST", ":ping"),
        ("POST", ":enable"),
    ],
)
def test_the_webhooks_of_others_are_not_there(running: Any, method: str, path: str) -> None:
    webhook_id = create(running)["webhookId"]
    answer = running.http.request(method, f"/webhooks/{webhook_id}{path}", headers={"X-Stella-Tenant": "globex"})
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND")
    assert running.http.get("/webhooks", headers={"X-Stella-Tenant": "globex"}).json()["items"] == []
    assert get(running, webhook_id)["status"] == "active"


def test_a_receiver_that_is_gone_is_left_alone_until_it_is_enabled_and_asked_to_be_told_again(
    running: Any, receiver: Any
) -> None:
    made = create(running, targetUrl=receiver.url, events=["run.accepted"])
    path = f"/webhooks/{made['webhookId']}"
    receiver.script = [(410, {})]
    run_id = running.submit()
    shown = until(lambda: get(running, made["webhookId"]), lambda value: value["status"] == "disabled")
    assert (shown["disabledReason"], shown["deadLetters"], shown["lastDelivery"]["status"]) == ("gone", 1, 410)
    letters = running.http.get(f"{path}/dead-letters")
    (letter,) = letters.json()["items"]
    assert letters.headers["x-total-count"] == "1"
    assert (letter["messageId"], letter["runId"], letter["event"]) == (f"msg-{run_id}-1", run_id, "run.accepted")
    assert (letter["attempts"], letter["reason"]) == (1, "it answered 410")
    early = running.http.post(f"{path}:replay")
    assert (early.status_code, early.json()["code"]) == (409, "ERR_EXPORT_CONFLICT")
    assert running.http.post(f"{path}:enable").json()["status"] == "active"
    unknown = running.http.post(f"{path}:replay", json={"messageId": "msg-x"})
    assert unknown.status_code == 404
    again = running.http.post(f"{path}:replay", json={"messageId": letter["messageId"]})
    assert (again.status_code, again.json()["replayed"]) == (202, 1)
    first, second = receiver.wait(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    until(lambda: get(running, made["webhookId"]), lambda value: value["deadLetters"] == value["pending"] == 0)
    with running.service.ledger.reading() as connection:
        query = select(AUDIT.c.action).where(AUDIT.c.target == made["webhookId"]).order_by(AUDIT.c.seq)
        assert list(connection.execute(query).scalars()) == [
            "webhook.create", "webhook.disable", "webhook.enable", "webhook.replay",
        ]  # fmt: skip
        assert audit.verify(connection, "acme") is None


def test_every_call_about_webhooks_needs_the_scope_that_manages() -> None:
    found = {(each.method, each.path.partition("/webhooks")[2]): each for each in ENDPOINTS if "/webhooks" in each.path}
    assert len(found) == 8
    assert {each.scope for each in found.values()} == {Scope.MANAGE}
    assert {key for key, each in found.items() if not each.mutation} == {
        ("GET", ""), ("GET", "/{webhookId}"), ("GET", "/{webhookId}/dead-letters"),
    }  # fmt: skip


def test_a_ping_comes_at_once_and_tells_nothing(running: Any, receiver: Any) -> None:
    made = create(running, targetUrl=receiver.url)
    answer = running.http.post(f"/webhooks/{made['webhookId']}:ping")
    assert answer.status_code == 202
    (told,) = receiver.wait(1)
    assert told.headers["webhook-id"] == answer.json()["messageId"]
    body = Webhook(made["secret"]).verify(told.body, dict(told.headers))
    assert (body["type"], body["data"]) == ("webhook.ping", {"webhookId": made["webhookId"]})


def test_a_ping_is_refused_while_another_is_being_sent(running: Any, receiver: Any) -> None:
    began, go = threading.Event(), threading.Event()
    receiver.before = lambda: began.set() or go.wait(10)
    ping = f"/webhooks/{create(running, targetUrl=receiver.url)['webhookId']}:ping"
    assert running.http.post(ping).status_code == 202
    assert began.wait(15)
    refused = running.http.post(ping)
    go.set()
    assert (refused.status_code, refused.json()["code"]) == (409, "ERR_EXPORT_CONFLICT")
    assert refused.headers["retry-after"] == "1"


def test_what_waits_is_sent_by_the_next_server(start: Any, receiver: Any) -> None:
    with start(egress=Egress(allow_http=True)) as running:
        made = create(running, targetUrl="http://hooks.invalid/", events=["run.accepted"])
        run_id = running.submit()
        until(lambda: get(running, made["webhookId"]), lambda value: value["lastDelivery"])
        with running.service.ledger.writing() as connection:
            connection.execute(WEBHOOKS.update().values(target_url=receiver.url))
    with start():
        (told,) = receiver.wait(1)
    assert told.headers["webhook-id"] == f"msg-{run_id}-1"
    Webhook(made["secret"]).verify(told.body, dict(told.headers))
