"""Section 4: runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.server.conformance.statements import Table
from tests.server.conformance.walking import BASE, NOTHING, POLICY_ID

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@TABLE.proves("4.1", "the request of the example is taken, and answered with everything that the example has")
def _submit(walk: Walk) -> None:
    body: dict[str, Any] = {
        "profileId": "prof-json-raw",
        "selectors": {
            "tenants": ["acme"],
            "timeWindow": {"from": "2025-10-01T00:00:00Z", "to": "2025-10-29T00:00:00Z"},
            "products": ["registry.example.com/app:*"],
            "sboms": ["sbom:S-1001", "sbom:S-2004"],
        },
        "policySnapshotId": "policy-snap-42",
        "options": {"allowEmpty": False, "priority": "standard"},
    }
    answer = walk.acme.post("/runs", json=body)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    run_id = told["runId"]
    assert re.fullmatch(r"run-\d{8}-\d{2,}", run_id)
    assert TIME.fullmatch(told["createdAt"])
    assert told["links"] == {"self": f"{BASE}/runs/{run_id}", "events": f"{BASE}/runs/{run_id}/events"}
    assert {name: told[name] for name in ("status", "profileId", "createdBy", "selectors")} == {
        "status": "pending",
        "profileId": "prof-json-raw",
        "createdBy": "user:ops",
        "selectors": body["selectors"],
    }
    assert answer.headers["location"] == told["links"]["self"]
    assert int(answer.headers["retry-after"]) > 0
    assert walk.acme.post(f"/runs/{run_id}:cancel").status_code == 202


@TABLE.proves("4.1", "what can be checked before the run is: profile, selectors, tenants, priority, policy, base, cap")
def _refused(walk: Walk) -> None:
    cases: dict[str, tuple[dict[str, Any], int, str]] = {
        "profile": ({"profileId": "nope"}, 404, "ERR_EXPORT_002"),
        "selectors": ({"selectors": {"nope": 1}}, 400, "ERR_EXPORT_001"),
        "tenants": ({"selectors": {"tenants": ["other"]}}, 403, "ERR_EXPORT_FORBIDDEN"),
        "priority": ({"options": {"priority": "urgent"}}, 400, "ERR_EXPORT_001"),
        "policy": ({"profileId": "json-policy"}, 400, "ERR_EXPORT_001"),
        "base": ({"options": {"base": "run-20200101-01"}}, 400, "ERR_EXPORT_BASE_MISSING"),
    }
    for what, (body, status, code) in cases.items():
        refused = walk.acme.post("/runs", json={"profileId": "json-raw", **body})
        assert (refused.status_code, refused.json()["code"]) == (status, code), what
    capped = walk.people.client(walk.people.proof(tenants=["capped"]))
    refused = capped.post("/runs", json={"profileId": "json-raw"})
    assert (refused.status_code, refused.json()["code"]) == (429, "ERR_EXPORT_003")
    assert refused.headers["retry-after"] == str(refused.json()["details"][0]["retryAfterSeconds"])
    assert capped.get("/runs").headers["x-total-count"] == "0"


@TABLE.proves("4.3", "a run that succeeded has status, progress and its distributions")
def _succeeded(walk: Walk) -> None:
    run = walk.success
    assert run["status"] == "success", walk.log()
    assert run["progress"]["recordsProcessed"] > 0
    assert run["progress"]["bytesWritten"] > 0
    assert [each["adapter"] for each in run["progress"]["adapters"]] == ["json"]
    (held,) = run["distributions"]
    assert held["type"] == "http"
    assert held["location"] == f"{BASE}/runs/{run['runId']}/download"
    assert re.fullmatch("[0-9a-f]{64}", held["sha256"])
    assert "expiresAt" in held
    assert run["policySnapshotId"] is None
    assert "errorCode" not in run


@TABLE.proves("4.3", "a run of a profile that knows policy has its policySnapshotId")
def _judged(walk: Walk) -> None:
    assert (walk.judged["status"], walk.judged["policySnapshotId"]) == ("success", POLICY_ID), walk.log()


@TABLE.proves("4.3", "a run that failed has an errorCode, and the error in the words of the error model")
def _failed(walk: Walk) -> None:
    assert (walk.failed["status"], walk.failed["errorCode"]) == ("failed", "signing"), walk.log()
    assert walk.failed["error"]["code"] == "ERR_EXPORT_005"
    assert walk.failed["distributions"] == []
    assert (walk.empty["status"], walk.empty["errorCode"]) == ("failed", "empty")
    assert walk.empty["error"]["code"] == "ERR_EXPORT_EMPTY"


@TABLE.proves("4.4", "a cancel is answered 202, with or without a body, and leads to canceled by somebody")
def _cancel(walk: Walk) -> None:
    run = walk.canceled
    asked = walk.facts["cancel"]
    assert (asked.status_code, asked.json()["runId"]) == (202, run["runId"])
    assert TIME.fullmatch(asked.json()["cancelRequestedAt"])
    assert int(asked.headers["retry-after"]) > 0
    assert (run["status"], run["canceledBy"], run["cancelReason"]) == ("canceled", "user:ops", "INC-123")
    late = walk.acme.post(f"/runs/{run['runId']}:cancel")
    assert (late.status_code, late.json()["code"]) == (409, "ERR_EXPORT_007")
    (detail,) = late.json()["details"]
    assert (detail["canceledBy"], detail["reason"]) == ("user:ops", "INC-123")
    assert TIME.fullmatch(detail["canceledAt"])
    over = walk.acme.post(f"/runs/{walk.success['runId']}:cancel")
    assert (over.status_code, over.json()["details"]) == (409, [{"status": "success"}])


@TABLE.proves("4.2", "a list is newest first and has filters, pages, counts, durations and last events")
def _list(walk: Walk) -> None:
    active = walk.acme.get("/runs", params={"status": "active", "profileId": "prof-json-raw", "pageSize": 10})
    assert (active.status_code, active.headers["x-total-count"]) == (200, "0")
    page = walk.acme.get("/runs", params={"profileId": "json-raw", "page": 1, "pageSize": 1})
    assert (page.json()["page"], page.json()["pageSize"], len(page.json()["items"])) == (1, 1, 1)
    assert 'rel="next"' in page.headers["link"]
    everything = walk.acme.get("/runs", params={"pageSize": 200}).json()["items"]
    assert [run["runId"] for run in everything] == sorted((run["runId"] for run in everything), reverse=True)
    (mine,) = [run for run in everything if run["runId"] == walk.success["runId"]]
    assert mine["counts"]["records"] == walk.success["counts"]["records"] > 0
    assert mine["durationSeconds"] > 0
    assert mine["lastEvent"]["type"] == "run.succeeded"
    assert walk.acme.get("/runs", params={"status": "nope"}).json()["code"] == "ERR_EXPORT_001"


@TABLE.proves("4.1", "beyond the contract: ?wait= answers with the run when it is over, or with what it ended with")
def _wait(walk: Walk) -> None:
    assert walk.judged["status"] == "success"
    done = walk.facts["policy"]
    assert (done.status_code, done.json()["runId"]) == (200, walk.judged["runId"])
    assert walk.empty["status"] == "failed"
    empty = walk.facts["nothing"]
    assert (empty.status_code, empty.json()["code"]) == (422, "ERR_EXPORT_EMPTY")


@TABLE.proves("4.1", "beyond the contract: runs are counted before they are made, and done again after they failed")
def _plan_and_retry(walk: Walk) -> None:
    planned = walk.acme.post("/runs:plan", json={"profileId": "json-raw"})
    assert (planned.status_code, planned.json()["records"]) == (200, walk.success["counts"]["records"])
    empty = walk.acme.post("/runs:plan", json={"profileId": "json-raw", **NOTHING})
    assert (empty.status_code, empty.json()["code"]) == (422, "ERR_EXPORT_EMPTY")
    again = walk.acme.post(f"/runs/{walk.failed['runId']}:retry")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert walk.ended(again.json()["runId"])["status"] == "success"
    good = walk.acme.post(f"/runs/{walk.success['runId']}:retry")
    assert (good.status_code, good.json()["code"]) == (409, "ERR_EXPORT_CONFLICT")
    newest = walk.acme.get("/profiles/json-raw/latest").json()
    assert newest["runId"] == again.json()["runId"]
