"""Section 3 of the contract: profiles are listed, read, created, changed, archived and restored, as commits."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from server import answers

if TYPE_CHECKING:
    from collections.abc import Callable

MIRROR: dict[str, Any] = {
    "profileId": "prof-airgap-mirror",
    "name": "Airgap Mirror Weekly",
    "kind": "mirror",
    "variant": "full",
    "include": ["advisories", "vex", "sboms", "policy"],
    "distribution": ["http", "object"],
    "retention": {"mode": "days", "value": 30},
}
DAILY = {"name": "Daily JSON Raw", "kind": "json", "variant": "raw", "include": ["advisories"]}


def test_a_profile_is_created_as_the_contract_says_and_as_a_commit_of_the_caller(
    running: Any, counterpart: Callable[[str], str]
) -> None:
    made = running.http.post("/profiles", json=MIRROR)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/export/profiles/prof-airgap-mirror"
    body = made.json()
    assert {name: body[name] for name in ("profileId", "version", "createdBy", "status")} == {
        "profileId": "prof-airgap-mirror", "version": 1, "createdBy": "user:ops", "status": "active",
    }  # fmt: skip
    answers.ProfileState.model_validate_json(made.content)
    shown = running.http.get("/profiles/prof-airgap-mirror")
    answers.Profile.model_validate_json(shown.content)
    config = shown.json()["config"]
    assert {name: config[name] for name in MIRROR} == MIRROR
    log = [counterpart("git"), "-C", str(running.service.profiles.path), "log", "-1", "--format=%an|%H", "--name-only"]
    told = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split()
    assert told == [f"user:ops|{shown.json()['commit']}", "acme/prof-airgap-mirror.yaml"]


def test_a_profile_without_an_id_gets_one_from_its_name_and_runs(running: Any) -> None:
    made = running.http.post("/profiles", json=DAILY).json()
    assert made["profileId"] == "prof-daily-json-raw"
    run = running.ended(running.submit(profileId="prof-daily-json-raw"))
    assert run["status"] == "success", run
    manifest = running.http.get(f"/runs/{run['runId']}/manifest").json()
    commit = running.http.get("/profiles/prof-daily-json-raw").json()["commit"]
    assert (manifest["profile"]["id"], manifest["profile"]["revision"]) == ("prof-daily-json-raw", 1)
    assert manifest["profile"]["commit"] == run["profileCommit"] == commit


def test_lists_hold_own_and_shared_profiles_and_take_filters(running: Any) -> None:
    running.http.post("/profiles", json=MIRROR)
    listed = running.http.get("/profiles")
    answers.ProfilePage.model_validate_json(listed.content)
    ids = [each["profileId"] for each in listed.json()["items"]]
    assert listed.headers["x-total-count"] == str(len(ids))
    assert {"json-raw", "prof-airgap-mirror"} <= set(ids)
    wanted = running.http.get("/profiles", params={"kind": "mirror", "variant": "full"}).json()["items"]
    assert {each["profileId"] for each in wanted} == {"mirror-full", "prof-airgap-mirror"}
    assert {each["profileId"]: each["shared"] for each in wanted} == {"mirror-full": True, "prof-airgap-mirror": False}
    one = running.http.get("/profiles", params={"pageSize": 1, "page": 2})
    assert [each["profileId"] for each in one.json()["items"]] == ids[1:2]
    assert 'rel="next"' in one.headers["link"]


def test_a_change_of_what_bundles_hold_makes_a_revision_and_any_other_does_not(running: Any) -> None:
    running.http.post("/profiles", json=DAILY)
    path = "/profiles/prof-daily-json-raw"
    renamed = running.http.patch(path, json={"name": "Weekly", "retention": {"mode": "count", "value": 3}})
    answers.PatchedProfile.model_validate_json(renamed.content)
    assert (renamed.json()["revisionCreated"], renamed.json()["profileId"]) == (False, "prof-daily-json-raw")
    widened = running.http.patch(path, json={"include": ["advisories", "vex"]})
    assert (widened.json()["revisionCreated"], widened.json()["profileId"]) == (True, "prof-daily-json-raw@2")
    assert running.http.get(path).json()["include"] == ["advisories", "vex"]
    assert running.http.get(f"{path}@1").json()["include"] == ["advisories"]
    for profile_id, revision in (("prof-daily-json-raw", 2), ("prof-daily-json-raw@1", 1)):
        run = running.ended(running.submit(profileId=profile_id))
        assert (run["status"], run["profileId"], run["profileRevision"]) == ("success", profile_id, revision)
        manifest = running.http.get(f"/runs/{run['runId']}/manifest").json()
        assert manifest["profile"]["revision"] == revision
    both = running.http.get("/runs", params={"profileId": "prof-daily-json-raw"}).json()["items"]
    assert len(both) == 2
    assert len(running.http.get("/runs", params={"profileId": "prof-daily-json-raw@1"}).json()["items"]) == 1


def test_an_archived_profile_is_not_run_and_its_runs_stay(running: Any) -> None:
    running.http.post("/profiles", json=DAILY)
    path = "/profiles/prof-daily-json-raw"
    run_id = running.submit(profileId="prof-daily-json-raw")
    running.ended(run_id)
    assert running.http.post(f"{path}:archive").json()["status"] == "inactive"
    refused = running.http.post("/runs", json={"profileId": "prof-daily-json-raw"})
    assert (refused.status_code, refused.json()["code"]) == (404, "ERR_EXPORT_002")
    assert running.http.get(path).json()["status"] == "inactive"
    assert running.http.get(f"/runs/{run_id}/download").status_code == 200
    assert running.http.get(f"{path}/latest").json()["runId"] == run_id
    assert running.http.post(f"{path}:restore").json()["status"] == "active"
    assert running.ended(running.submit(profileId="prof-daily-json-raw"))["status"] == "success"


REFUSED = {
    "an id that there is": ("POST", "", DAILY | {"profileId": "prof-twice"}, 409, "ERR_EXPORT_CONFLICT"),
    "an id that cannot be": ("POST", "", DAILY | {"profileId": "../x"}, 400, "ERR_EXPORT_001"),
    "an unknown field": ("POST", "", DAILY | {"nope": 1}, 400, "ERR_EXPORT_001"),
    "a kind that does not go with its variant": ("POST", "", DAILY | {"variant": "full"}, 400, "ERR_EXPORT_001"),
    "a cron line that is none": ("POST", "", DAILY | {"schedule": {"cron": "whenever"}}, 400, "ERR_EXPORT_001"),
    "a change of what all share": ("PATCH", "/json-raw", {"name": "Mine"}, 403, "ERR_EXPORT_FORBIDDEN"),
    "archiving what all share": ("POST", "/json-raw:archive", None, 403, "ERR_EXPORT_FORBIDDEN"),
    "a change of nothing that is there": ("PATCH", "/nope", {"name": "x"}, 404, "ERR_EXPORT_002"),
    "looking at nothing that is there": ("GET", "/nope", None, 404, "ERR_EXPORT_002"),
    "looking at a revision that is not there": ("GET", "/prof-twice@7", None, 404, "ERR_EXPORT_002"),
    "an unknown status": ("GET", "?status=nope", None, 400, "ERR_EXPORT_001"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused(running: Any, what: str) -> None:
    method, path, body, status, code = REFUSED[what]
    assert running.http.post("/profiles", json=DAILY | {"profileId": "prof-twice"}).status_code == 201
    answer = running.http.request(method, f"/profiles{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert code != "ERR_EXPORT_001" or answer.json()["details"][0]["message"]


def test_another_tenants_profile_is_not_there(running: Any) -> None:
    running.http.post("/profiles", json=DAILY)
    foreign = {"X-Stella-Tenant": "other"}
    path = "/profiles/prof-daily-json-raw"
    for method, target in (("GET", path), ("PATCH", path), ("POST", f"{path}:archive"), ("GET", f"{path}/latest")):
        answer = running.http.request(method, target, headers=foreign, json={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "ERR_EXPORT_002"), method
    refused = running.http.post("/runs", json={"profileId": "prof-daily-json-raw"}, headers=foreign)
    assert refused.status_code == 404
    same = running.http.post("/profiles", json=DAILY, headers=foreign)
    assert same.status_code == 201, "ids are each tenant's own"


def test_a_profile_does_not_reach_what_its_tenant_may_not(running: Any) -> None:
    made = running.http.post("/profiles", json=DAILY | {"profileId": "prof-spy", "selectors": {"tenants": ["other"]}})
    assert made.status_code == 201
    for path in ("/runs", "/runs:plan"):
        answer = running.http.post(path, json={"profileId": "prof-spy"})
        assert (answer.status_code, answer.json()["code"]) == (403, "ERR_EXPORT_FORBIDDEN"), answer.text
    assert running.http.get("/runs").json()["items"] == []
    assert running.submit(profileId="prof-spy", selectors={"tenants": ["acme"]})


def test_a_key_makes_one_profile(running: Any) -> None:
    key = {"Idempotency-Key": "6c84fb90-12c4-11e1-840d-7b25c5ee775a"}
    first = running.http.post("/profiles", json=DAILY, headers=key)
    again = running.http.post("/profiles", json=DAILY, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
