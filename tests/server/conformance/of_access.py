"""Section 1: tokens, tenants, keys, quotas, media types."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import httpx

from server.endpoints import ENDPOINTS
from server.routing import Scope
from tests.server.conformance.statements import Table
from tests.server.conformance.walking import BASE

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()
QUOTA = ("x-stella-quota-limit", "x-stella-quota-remaining", "x-stella-quota-reset")
NEEDS = {
    "GET /profiles": Scope.READ,
    "POST /profiles": Scope.MANAGE,
    "PATCH /profiles/x": Scope.MANAGE,
    "POST /profiles/x:archive": Scope.MANAGE,
    "POST /runs": Scope.RUN,
    "POST /runs/run-20200101-01:cancel": Scope.RUN,
    "GET /runs": Scope.READ,
    "GET /runs/run-20200101-01/events": Scope.READ,
    "GET /runs/run-20200101-01/distributions": Scope.READ,
    "GET /runs/run-20200101-01/download": Scope.DOWNLOAD,
    "GET /runs/run-20200101-01/manifest": Scope.DOWNLOAD,
    "GET /runs/run-20200101-01/provenance": Scope.DOWNLOAD,
    "POST /webhooks": Scope.MANAGE,
}


@TABLE.proves("1", "a token is sent as Bearer with a DPoP proof; without the proof it is worth nothing")
def _tokens(walk: Walk) -> None:
    proof = walk.people.proof()
    assert walk.people.client(proof).get("/runs").status_code == 200
    assert walk.people.client(walk.people.proof(scheme="DPoP")).get("/runs").status_code == 200
    sent = next(proof.auth_flow(httpx.Request("GET", f"{walk.url}{BASE}/runs")))
    stolen = walk.people.client(None, Authorization=sent.headers["Authorization"]).get("/runs")
    nobody = walk.people.client().get("/runs")
    for refused in (stolen, nobody):
        assert (refused.status_code, refused.json()["code"]) == (401, "ERR_EXPORT_UNAUTHORIZED")
        assert refused.headers["www-authenticate"].startswith("DPoP ")
        assert not any(name in refused.headers for name in QUOTA)


@TABLE.proves("1", "every endpoint asks for its scope, and no other scope will do")
def _scopes(walk: Walk) -> None:
    for line, scope in NEEDS.items():
        method, path = line.split(" ")
        others = [each for each in Scope if each is not scope]
        refused = walk.people.client(walk.people.proof(scopes=others)).request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (403, "ERR_EXPORT_FORBIDDEN"), line
        assert f'scope="{scope}"' in refused.headers["www-authenticate"], line
        allowed = walk.people.client(walk.people.proof(scopes=[scope])).request(method, path)
        assert allowed.status_code not in (401, 403), line


@TABLE.proves("1", "X-Stella-Tenant chooses among several tenants, and may be left out when there is one")
def _tenants(walk: Walk) -> None:
    several = walk.people.proof(tenants=("acme", "other"))
    unclear = walk.people.client(several).get("/runs")
    assert (unclear.status_code, unclear.json()["code"]) == (400, "ERR_EXPORT_001")
    assert unclear.json()["details"][0]["field"] == "X-Stella-Tenant"
    chosen = walk.people.client(several, **{"X-Stella-Tenant": "other"})
    assert chosen.get("/runs").headers["x-total-count"] == "0"
    foreign = walk.people.client(walk.people.proof(), **{"X-Stella-Tenant": "other"}).get("/runs")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "ERR_EXPORT_FORBIDDEN")
    run_id = walk.facts["first"]["runId"]
    assert walk.acme.get(f"/runs/{run_id}").status_code == 200
    assert chosen.get(f"/runs/{run_id}").status_code == 404


@TABLE.proves(
    "1", "the same Idempotency-Key gives the original answer, or is refused with another body; all changes take one"
)
def _keys(walk: Walk) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"profileId": "json-raw", "selectors": {"ids": ["CVE-1999-0001"]}}
    first = walk.acme.post("/runs", json=body, headers=key)
    again = walk.acme.post("/runs", json=body, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert again.headers["x-stella-quota-remaining"] == first.headers["x-stella-quota-remaining"]
    other = walk.acme.post("/runs", json={**body, "selectors": {}}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "ERR_EXPORT_CONFLICT")
    wrong = walk.acme.post("/runs", json=body, headers={"Idempotency-Key": "7"})
    assert (wrong.status_code, wrong.json()["details"][0]["field"]) == (400, "Idempotency-Key")
    walk.acme.post(f"/runs/{first.json()['runId']}:cancel")
    for endpoint in ENDPOINTS:
        if endpoint.mutation:
            path = re.sub(r"\{\w+\}", "x", endpoint.path.removeprefix(BASE))
            refused = walk.acme.request(endpoint.method, path, headers={"Idempotency-Key": "7"})
            assert refused.json()["details"][0]["field"] == "Idempotency-Key", endpoint.name


@TABLE.proves("1", "answers say the quota, its rest and its end; an exhausted one is 429 ERR_EXPORT_QUOTA")
def _quota(walk: Walk) -> None:
    spent = walk.people.client(walk.people.proof(tenants=["spent"]))
    before = spent.get("/runs")
    assert [before.headers[name] for name in QUOTA[:2]] == ["1", "1"]
    assert int(before.headers["x-stella-quota-reset"]) % 86_400 == 0
    assert before.headers["ratelimit-policy"] == '"runs-a-day";q=1;w=86400'
    assert re.fullmatch(r'"runs-a-day";r=1;t=[1-9][0-9]*', before.headers["ratelimit"])
    run_id = walk.submit(spent)["runId"]
    refused = spent.post("/runs", json={"profileId": "json-raw"})
    assert (refused.status_code, refused.json()["code"]) == (429, "ERR_EXPORT_QUOTA")
    assert [refused.headers[name] for name in QUOTA[:2]] == ["1", "0"]
    (detail,) = refused.json()["details"]
    assert refused.headers["retry-after"] == str(detail["retryAfterSeconds"])
    assert spent.post(f"/runs/{run_id}:cancel").status_code == 202


@TABLE.proves("1", "JSON is application/json; charset=utf-8 in both directions")
def _media(walk: Walk) -> None:
    media = "application/json; charset=utf-8"
    answer = walk.acme.post("/runs", content=b"{}", headers={"Content-Type": media})
    assert (answer.status_code, answer.headers["content-type"]) == (400, media)
    assert walk.acme.get("/runs").headers["content-type"] == media
    refused = walk.acme.post("/runs", content=b"a=b", headers={"Content-Type": "text/plain"})
    assert (refused.status_code, refused.json()["code"]) == (415, "ERR_EXPORT_REQUEST")
