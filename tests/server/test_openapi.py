"""The description of the API: sound by an independent validator, and true of real answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from server import answers, problems
from server.codes import CODES
from server.endpoints import ENDPOINTS
from server.openapi import describe
from web.reference_page import POLICY, render


def test_an_independent_validator_takes_the_description() -> None:
    document = describe(ENDPOINTS)
    validate(document)
    described = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert described == {(each.method, each.path) for each in ENDPOINTS}


def test_every_code_of_the_service_is_described() -> None:
    known = {value for value in vars(problems).values() if isinstance(value, str) and value.startswith("ERR_EXPORT_")}
    assert set(CODES) == known


def test_description_and_page_are_served_without_a_token_and_only_once(running: Any) -> None:
    for path, kind in (("/openapi.json", "application/json"), ("/docs", "text/html")):
        answer = running.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert answer.headers["content-security-policy"] == POLICY
        again = running.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert running.http.get("/openapi.json").json()["paths"].keys() == {each.path for each in ENDPOINTS}
    page = running.http.get("/docs").text
    assert all(each.path in page for each in ENDPOINTS)
    assert "http://" not in page
    assert "<script" not in page
    assert "Scope: <code>export:read</code>." in page


def test_every_link_of_the_page_leads_somewhere_in_it() -> None:
    page = render(describe(ENDPOINTS)).decode()
    linked, places = (set(re.findall(pattern, page)) for pattern in ('href="#([^"]+)"', ' id="([^"]+)"'))
    assert len(linked) > len(ENDPOINTS)
    assert linked <= places


def test_real_answers_are_as_described(running: Any) -> None:
    submitted = running.http.post("/runs", json={"profileId": "json-raw"})
    answers.SubmittedRun.model_validate_json(submitted.content)
    run_id = submitted.json()["runId"]
    running.ended(run_id)
    failed = running.submit(selectors={"ecosystems": ["Nowhere"]})
    running.ended(failed)
    running.prefect.is_down = True
    waiting = running.submit()
    canceled = running.http.post(f"/runs/{waiting}:cancel", json={"reason": "why"})
    answers.CanceledRun.model_validate_json(canceled.content)
    answers.RunPage.model_validate_json(running.http.get("/runs").content)
    for each in (run_id, failed, waiting):
        answers.Run.model_validate_json(running.http.get(f"/runs/{each}").content)
        answers.DistributionList.model_validate_json(running.http.get(f"/runs/{each}/distributions").content)
        for line in running.http.get(f"/runs/{each}/events", params={"format": "audit"}).text.splitlines():
            answers.EventLine.model_validate_json(line)
    answers.Ticket.model_validate_json(running.http.post(f"/runs/{run_id}:ticket").content)
    answers.Latest.model_validate_json(running.http.get("/profiles/json-raw/latest").content)
    answers.Plan.model_validate_json(running.http.post("/runs:plan", json={"profileId": "json-raw"}).content)


@pytest.mark.parametrize("path", ["/nothing", "/runs/run-20200101-01", "/runs?status=nope"])
def test_real_errors_are_as_described(running: Any, path: str) -> None:
    answer = running.http.get(path)
    told = answers.Problem.model_validate_json(answer.content)
    assert answer.status_code in CODES[told.code].statuses
