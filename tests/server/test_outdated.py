"""Routes and profiles that are out of date: answers say so, by RFC 9745 and RFC 8594."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.errors import UsageError
from cli.serve_options import outdated_of
from server.outdated import Declared, read_declared

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
ROUTES = {"GET /runs", "GET /runs/{runId}/manifest"}
FILE = """
[routes."GET /runs"]
since = 2026-06-01

[profiles.json-raw]
since = 2026-06-01T00:00:00+02:00
sunset = 2027-06-30T23:59:59Z
link = "https://docs.example/json-raw"
"""
SAID = {
    "deprecation": "@1780264800",
    "sunset": "Wed, 30 Jun 2027 23:59:59 GMT",
    "link": '<https://docs.example/json-raw>; rel="deprecation"; type="text/html", '
    '<https://docs.example/json-raw>; rel="sunset"; type="text/html"',
}


@pytest.fixture
def declared(tmp_path: Path) -> Declared:
    path = tmp_path / "deprecations.toml"
    path.write_text(FILE)
    return read_declared(path, ROUTES)


def said(answer: Any) -> dict[str, str]:
    return {name: answer.headers[name] for name in SAID if name in answer.headers}


def test_answers_about_a_profile_say_that_it_is_out_of_date(start: Callable[..., Any], declared: Declared) -> None:
    with start(outdated=declared) as service:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        submissions = [service.http.post("/runs", json={"profileId": "json-raw"}, headers=key) for _ in range(2)]
        assert [said(each) for each in submissions] == [SAID, SAID]
        assert submissions[1].headers["idempotent-replayed"] == "true"
        run_id = submissions[0].json()["runId"]
        service.ended(run_id)
        for path in ("/profiles/json-raw", "/profiles/json-raw@1", "/profiles/json-raw/latest", f"/runs/{run_id}"):
            assert said(service.http.get(path)) == SAID, path
        assert said(service.http.get("/profiles/json-policy")) == {}


def test_a_route_says_it_in_errors_too_and_beside_its_own_links(start: Callable[..., Any], declared: Declared) -> None:
    with start(outdated=declared) as service:
        listed = service.http.get("/runs")
        assert listed.headers["deprecation"] == f"@{int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())}"
        assert 'rel="first"' in listed.headers["link"]
        assert "sunset" not in listed.headers
        assert "deprecation" in service.http.get("/runs?page=0").headers
        assert "deprecation" not in service.http.get("/profiles").headers


def test_the_file_of_the_page_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text())
    path = tmp_path / "deprecations.toml"
    path.write_text(block)
    found = outdated_of(path)
    assert found.headers("GET /profiles/{profileId}", "json-raw@1")[0] == ("Deprecation", "@1796083200")
    assert found.headers("GET /runs/{runId}/manifest", None) == [("Deprecation", "@1796083200")]


WRONG = {
    "no TOML": "=",
    "another table": "[other.x]\nsince = 2026-06-01",
    "a route that there is not": '[routes."GET /nothing"]\nsince = 2026-06-01',
    "no beginning": "[profiles.x]\nsunset = 2026-06-01",
    "an unknown field": "[profiles.x]\nsince = 2026-06-01\nwhy = 1",
    "no date": '[profiles.x]\nsince = "soon"',
    "an end before the beginning": "[profiles.x]\nsince = 2026-06-01\nsunset = 2026-05-01",
    "a link that breaks out": '[profiles.x]\nsince = 2026-06-01\nlink = "https://a>; rel=x"',
    "a link that is not encrypted": '[profiles.x]\nsince = 2026-06-01\nlink = "http://a"',
    "a table where a thing is expected": "[profiles]\nx = 1",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_says_what_cannot_be_is_refused_at_once(what: str, tmp_path: Path) -> None:
    path = tmp_path / "deprecations.toml"
    path.write_text(WRONG[what])
    with pytest.raises(UsageError, match="deprecations"):
        outdated_of(path)


def test_no_file_declares_nothing_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    assert outdated_of(None) == Declared()
    with pytest.raises(UsageError, match="deprecations"):
        outdated_of(tmp_path / "nothing.toml")
