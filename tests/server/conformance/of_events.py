"""Section 5: events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.server.conformance.statements import Table

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()


def parsed(text: str) -> list[dict[str, Any]]:
    """Read a stream by the rules of Server-Sent Events, as far as this service uses them."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    fields = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    return [{"id": int(each["id"]), "event": each["event"], "data": json.loads(each["data"])} for each in fields]


@TABLE.proves("5.1", "a run is accepted while Prefect does not answer, and its stream is kept alive by `: ping`")
def _accepted(walk: Walk) -> None:
    stream = walk.facts["stream"]
    run_id = walk.facts["first"]["runId"]
    assert walk.acme.get(f"/runs/{run_id}").json()["status"] == "pending"
    active = walk.acme.get("/runs", params={"status": "active", "profileId": "json-raw"}).json()["items"]
    assert [run["runId"] for run in active] == [run_id]
    early = walk.acme.get(f"/runs/{run_id}/download")
    assert (early.status_code, early.json()["details"]) == (409, [{"status": "pending"}])
    walk.until(lambda: b": ping\n\n" in stream.received)
    walk.release_prefect()
    assert stream.headers["content-type"] == "text/event-stream"
    begins, _, rest = stream.received.decode().partition("\n\n")
    assert begins.startswith("id: 1\nevent: run.accepted\ndata: {")
    assert begins.endswith("\nretry: 2000")
    assert rest == ": ping\n\n" * rest.count("ping")


@TABLE.proves("5.1", "the stream tells progress, distribution, signature and success in order, and ends there")
def _told(walk: Walk) -> None:
    text = walk.facts["stream"].wait()
    assert "\r" not in text
    told = parsed(text)
    assert [each["id"] for each in told] == list(range(1, len(told) + 1))
    kinds = [each["event"] for each in told]
    assert (kinds[0], kinds[-1]) == ("run.accepted", "run.succeeded"), walk.log()
    assert set(kinds) == {"run.accepted", "run.progress", "run.signed", "run.distribution", "run.succeeded"}
    progress = [each["data"] for each in told if each["event"] == "run.progress"]
    wanted = {"runId", "phase", "adapter", "records", "bytes", "timestamp"}
    assert all(wanted <= each.keys() for each in progress)
    assert {each["adapter"] for each in progress if each["phase"] == "adapter"} == {"json"}
    (descriptor,) = [each["data"] for each in told if each["event"] == "run.distribution"]
    assert {"type", "location", "sha256", "sizeBytes", "expiresAt"} <= descriptor.keys()
    assert all(each["data"]["runId"] == walk.success["runId"] for each in told)
    walk.facts["told"] = told


@TABLE.proves("5.1", "a failure says its errorCode, and a cancellation who, why and when")
def _ends(walk: Walk) -> None:
    failed = walk.events(walk.failed["runId"])[-1]
    assert (failed["event"], failed["data"]["errorCode"]) == ("run.failed", "signing")
    canceled = [each for each in walk.events(walk.canceled["runId"]) if each["event"] == "run.canceled"]
    (data,) = [each["data"] for each in canceled]
    assert (data["canceledBy"], data["reason"]) == ("user:ops", "INC-123")
    assert data["timestamp"].endswith("Z")


@TABLE.proves("5.1", "a client goes on after the last event that it has, and is told 204 when it has them all")
def _resumed(walk: Walk) -> None:
    path = f"/runs/{walk.success['runId']}/events"
    told = walk.facts["told"]
    rest = walk.acme.get(path, headers={"Last-Event-ID": "2"})
    assert parsed(rest.text) == told[2:]
    assert walk.acme.get(path, headers={"Last-Event-ID": str(told[-1]["id"])}).status_code == 204


@TABLE.proves("5.2", "the audit form has the same events as lines of JSON")
def _audit(walk: Walk) -> None:
    answer = walk.acme.get(f"/runs/{walk.success['runId']}/events", params={"format": "audit"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == walk.facts["told"]
    assert walk.acme.get(f"/runs/{walk.success['runId']}/events?format=nope").json()["code"] == "ERR_EXPORT_001"
