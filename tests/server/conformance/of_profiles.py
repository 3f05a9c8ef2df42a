"""Section 3: profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyrage

from tests.server.conformance.statements import Table
from tests.server.conformance.walking import BASE

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()
LISTED = {"profileId", "name", "kind", "variant", "distribution", "retention", "createdAt", "createdBy"}
RAW: dict[str, Any] = {
    "profileId": "prof-json-raw",
    "name": "Daily JSON Raw",
    "kind": "json",
    "variant": "raw",
    "include": ["advisories", "sboms"],
    "distribution": ["http"],
    "retention": {"mode": "days", "value": 14},
}


@TABLE.proves("3.3", "a profile is created as the example has it, and answered with version, author and status")
def _create(walk: Walk) -> None:
    mirror = {
        "profileId": "prof-airgap-mirror",
        "name": "Airgap Mirror Weekly",
        "kind": "mirror",
        "variant": "full",
        "include": ["advisories", "vex", "sboms", "policy"],
        "distribution": ["http", "object"],
        "encryption": {
            "enabled": True,
            "recipientKeys": [str(pyrage.x25519.Identity.generate().to_public())],
            "strict": False,
        },
        "retention": {"mode": "days", "value": 30},
    }
    for body in (mirror, RAW):
        made = walk.acme.post("/profiles", json=body)
        assert made.status_code == 201, made.text
        told = made.json()
        assert {name: told[name] for name in ("profileId", "version", "createdBy", "status")} == {
            "profileId": body["profileId"],
            "version": 1,
            "createdBy": "user:ops",
            "status": "active",
        }
        assert told["createdAt"].endswith("Z")
        assert made.headers["location"] == f"{BASE}/profiles/{body['profileId']}"
    again = walk.acme.post("/profiles", json=RAW)
    assert (again.status_code, again.json()["code"]) == (409, "ERR_EXPORT_CONFLICT")
    named = walk.acme.post("/profiles", json={name: value for name, value in RAW.items() if name != "profileId"})
    assert named.json()["profileId"] == "prof-daily-json-raw"


@TABLE.proves("3.1", "a list holds every field of the example, has filters and pages, and says how many there are")
def _list(walk: Walk) -> None:
    answer = walk.acme.get("/profiles", params={"kind": "json", "variant": "raw", "page": 1, "pageSize": 2})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["page"], told["pageSize"], len(told["items"])) == (1, 2, 2)
    assert all(item.keys() >= LISTED for item in told["items"])
    assert {(item["kind"], item["variant"]) for item in told["items"]} == {("json", "raw")}
    total = int(answer.headers["x-total-count"])
    assert total == 3
    assert f'<{BASE}/profiles?kind=json&variant=raw&page=2&pageSize=2>; rel="next"' in answer.headers["link"]
    beyond = walk.acme.get("/profiles", params={"page": 99})
    assert (beyond.status_code, beyond.json()["items"]) == (200, [])
    assert walk.acme.get("/profiles", params={"pageSize": 201}).json()["code"] == "ERR_EXPORT_001"


@TABLE.proves("3.2", "a profile is shown with config, distribution and metadata; a foreign or unknown one is 404")
def _show(walk: Walk) -> None:
    shown = walk.acme.get("/profiles/prof-airgap-mirror").json()
    assert shown["config"]["encryption"]["enabled"] is True
    assert (shown["distribution"], shown["retention"]) == (["http", "object"], {"mode": "days", "value": 30})
    assert (shown["createdBy"], shown["version"], shown["status"]) == ("user:ops", 1, "active")
    other = walk.people.client(walk.people.proof(tenants=["other"]))
    for answer in (other.get("/profiles/prof-airgap-mirror"), walk.acme.get("/profiles/nope")):
        assert (answer.status_code, answer.json()["code"]) == (404, "ERR_EXPORT_002")


@TABLE.proves("3.4", "names, targets and retention change in place; kind, variant and include make a new revision")
def _patch(walk: Walk) -> None:
    path = "/profiles/prof-airgap-mirror"
    for change in ({"name": "Renamed"}, {"distribution": ["http"]}, {"retention": {"mode": "days", "value": 7}}):
        told = walk.acme.patch(path, json=change)
        assert (told.status_code, told.json()["revisionCreated"]) == (200, False), told.text
        assert told.json()["profileId"] == "prof-airgap-mirror"
    told = walk.acme.patch(path, json={"include": ["advisories"]}).json()
    assert (told["revisionCreated"], told["profileId"], told["version"]) == (True, "prof-airgap-mirror@2", 2)
    assert walk.acme.get(path).json()["config"]["include"] == ["advisories"]
    assert len(walk.acme.get(f"{path}@1").json()["config"]["include"]) == 4
    builtin = walk.acme.patch("/profiles/json-raw", json={"name": "mine"})
    assert (builtin.status_code, builtin.json()["code"]) == (403, "ERR_EXPORT_FORBIDDEN")
    assert walk.acme.patch("/profiles/nope", json={"name": "x"}).json()["code"] == "ERR_EXPORT_002"


@TABLE.proves("3.5", "an archived profile is inactive and takes no runs, its runs stay; :restore undoes it")
def _archive(walk: Walk) -> None:
    path = "/profiles/prof-daily-json-raw"
    run_id = walk.submit(profileId="prof-daily-json-raw")["runId"]
    assert walk.acme.post(f"/runs/{run_id}:cancel").status_code == 202
    archived = walk.acme.post(f"{path}:archive")
    assert (archived.status_code, archived.json()["status"]) == (200, "inactive")
    refused = walk.acme.post("/runs", json={"profileId": "prof-daily-json-raw"})
    assert (refused.status_code, refused.json()["code"]) == (404, "ERR_EXPORT_002")
    assert walk.acme.get(f"/runs/{run_id}").status_code == 200
    assert walk.acme.get(path).json()["status"] == "inactive"
    restored = walk.acme.post(f"{path}:restore")
    assert (restored.status_code, restored.json()["status"]) == (200, "active")
    walk.acme.post(f"/runs/{walk.submit(profileId='prof-daily-json-raw')['runId']}:cancel")
