"""Section 7: webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from tests.server.conformance.statements import Table
from tests.server.conformance.walking import SECRET

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()


@TABLE.proves("7", "a webhook is told of a success, signed with X-Stella-Signature, and again when it was busy")
def _told(walk: Walk) -> None:
    made = walk.facts["webhook"]
    assert (made.status_code, made.json()["events"]) == (201, ["run.succeeded"]), made.text
    assert "secret" not in made.json()
    # The receiver was busy at first.
    first, told = walk.receiver.wait(2)[:2]
    assert (told.body, told.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    expected = hmac.new(SECRET.encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-stella-signature"] == f"sha256={expected}"
    body = json.loads(told.body)
    assert (body["type"], body["data"]) == ("run.succeeded", walk.events(walk.success["runId"])[-1]["data"])
    assert walk.acme.delete(f"/webhooks/{made.json()['webhookId']}").status_code == 204


@TABLE.proves(
    "7", "what a receiver does not take is a dead letter in export_events, in no run's stream, and can be sent again"
)
def _dead(walk: Walk) -> None:
    made = walk.acme.post("/webhooks", json={"targetUrl": walk.receiver.url, "events": ["run.canceled"]}).json()
    path = f"/webhooks/{made['webhookId']}"
    walk.receiver.script = [(410, {})]
    before = len(walk.receiver.told)
    assert walk.acme.post(f"/runs/{walk.submit()['runId']}:cancel").status_code == 202
    shown = walk.until(lambda: found if (found := walk.acme.get(path).json())["deadLetters"] else None)
    assert (shown["status"], shown["disabledReason"]) == ("disabled", "gone")
    (letter,) = walk.acme.get(f"{path}/dead-letters").json()["items"]
    assert (letter["event"], letter["lastAttempt"]["status"]) == ("run.canceled", 410)
    with closing(sqlite3.connect(walk.home / "ledger.db")) as ledger:
        kept = ledger.execute("SELECT run_id FROM export_events WHERE kind = 'webhook'").fetchall()
    assert kept == [(letter["runId"],)]
    assert [each["event"] for each in walk.events(letter["runId"])] == ["run.accepted", "run.canceled"]
    assert walk.acme.post(f"{path}:replay").status_code == 409
    assert walk.acme.post(f"{path}:enable").json()["status"] == "active"
    replayed = walk.acme.post(f"{path}:replay", json={"messageId": letter["messageId"]})
    assert (replayed.status_code, replayed.json()["replayed"]) == (202, 1)
    told = walk.receiver.wait(before + 2)[-1]
    assert told.headers["webhook-id"] == letter["messageId"]
    assert Webhook(made["secret"]).verify(told.body, dict(told.headers))["type"] == "run.canceled"
    pinged = walk.acme.post(f"{path}:ping")
    assert pinged.status_code == 202
    assert walk.receiver.wait(before + 3)[-1].headers["webhook-id"] == pinged.json()["messageId"]
    assert all("secret" not in each for each in walk.acme.get("/webhooks").json()["items"])
    assert walk.acme.get("/webhooks/nope").json()["code"] == "ERR_EXPORT_NOT_FOUND"
