"""The viewer's pages over HTTP: whose they are, what browsers may do with them, and what becomes of wrong ones."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import httpx
import pytest

from server.auth.settings import AuthSettings
from server.caller import Caller
from server.problems import FORBIDDEN, UNAUTHORIZED, Problem
from server.sign_in import SignIn
from server.viewer import PAGES
from tests.server.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.server.conftest import Running

SIGN_IN = SignIn(
    auth=AuthSettings(
        issuer="https://login.example/realm",
        audience="urn:export-center",
        jwks_uri="https://login.example/jwks",
        public_base_url="https://export.example",
    ),
    client="viewer",
    scopes="openid export:read",
)


class Doorkeeper:
    """Lets in who says a name, with the scopes that the name has."""

    scopes: ClassVar = {"reader": "export:read", "analyst": "export:read export:download"}

    def headers(self, _now: int) -> dict[str, str]:
        return {}

    def __call__(
        self, _method: str, _path: str, headers: Sequence[tuple[bytes, bytes]], scope: str, _now: int
    ) -> Caller:
        name = dict(headers).get(b"authorization", b"").decode()
        if name not in self.scopes:
            raise Problem(401, UNAUTHORIZED, "there is no token", headers={"WWW-Authenticate": "DPoP"})
        scopes = frozenset(self.scopes[name].split())
        if scope and scope not in scopes:
            raise Problem(403, FORBIDDEN, f"the token lacks the scope {scope}")
        return Caller(subject=f"user:{name}", client="viewer", tenants=("acme",), tenant="acme", scopes=scopes)


class Viewed(NamedTuple):
    """A service, and the one run that it has."""

    running: Running
    run_id: str

    @property
    def url(self) -> str:
        return self.running.url


@pytest.fixture(scope="module")
def viewed(evidence_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewed]:
    """Serve a tenant that has one run with its bundle."""
    with serving(evidence_home, tmp_path_factory.mktemp("viewed")) as running:
        run_id = running.submit()
        running.ended(run_id)
        yield Viewed(running, run_id)


@pytest.fixture(scope="module")
def guarded(viewed: Viewed, evidence_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewed]:
    """Serve the same ledger to people who sign in."""
    service = viewed.running.service
    state = tmp_path_factory.mktemp("guarded")
    with serving(evidence_home, state, ledger=service.ledger, authenticate=Doorkeeper(), sign_in=SIGN_IN) as running:
        yield Viewed(running, viewed.run_id)


def get(running: Viewed, path: str, **headers: str) -> httpx.Response:
    return httpx.get(
        running.url + path.replace("{runId}", running.run_id).replace("{profileId}", "json-raw"), headers=headers
    )


PLACES = [page.path for page in PAGES]


@pytest.mark.parametrize("path", PLACES)
def test_every_page_is_there_read_with_head_too_and_names_its_trace(viewed: Viewed, path: str) -> None:
    got = get(viewed, path, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert got.status_code == 200, got.text
    assert got.headers["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"
    assert got.headers["cache-control"] == "no-store"
    head = httpx.head(str(got.url))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize("path", [*PLACES, "/nothing", "/viewer/style.css"])
def test_every_answer_keeps_browsers_from_guessing_framing_and_telling_others(viewed: Viewed, path: str) -> None:
    headers = get(viewed, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    if path != "/viewer/style.css":
        policy = dict(each.strip().partition(" ")[::2] for each in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert policy["trusted-types"] == "export-center export-center-data"


def test_pages_lie_at_their_folder_and_at_its_index(viewed: Viewed) -> None:
    for path in ("/runs/{runId}/", "/bundles/{runId}/", "/profiles/{profileId}/", "/"):
        assert get(viewed, f"{path}index.html").text == get(viewed, path).text
    for path in ("/runs/{runId}", "/bundles/{runId}"):
        moved = get(viewed, path)
        assert moved.status_code == 308
        assert str(httpx.URL(str(moved.url)).join(moved.headers["location"])) == f"{moved.url}/"


def test_every_address_in_a_page_is_relative_and_leads_somewhere(viewed: Viewed) -> None:
    seen: set[str] = set()
    for path in PLACES:
        if path.endswith(".json"):
            continue
        page = get(viewed, path)
        for link in re.findall(r'(?:href|src)="([^"#][^"]*)"', page.text):
            if not link.startswith(("data:", "#")):
                assert re.match(r"(?![/\w]*:)(?!/)", link), (path, link)
                seen.add(str(httpx.URL(str(page.url)).join(link)))
    assert len(seen) > 8
    answers = {url: httpx.head(url).status_code for url in seen}
    assert {url: status for url, status in answers.items() if status != 200} == {}


def test_the_overview_names_profiles_whose_file_is_broken(viewed: Viewed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tenant: str) -> dict[str, str]:
        return {f"{tenant}/weekly.yaml": f"{tenant}/weekly.yaml:1:1: kind: <b>"}

    monkeypatch.setattr(viewed.running.service.profiles, "broken", broken)
    page = get(viewed, "/", **{"X-Stella-Tenant": "acme"}).text
    assert "The file of the profile weekly is no profile" in page
    assert "acme/weekly.yaml:1:1: kind: &lt;b&gt;." in page


@pytest.mark.parametrize("path", ["/runs/{runId}/", "/bundles/{runId}/", "/bundles/{runId}/export.json"])
def test_what_is_another_tenants_is_as_if_it_were_not_there(viewed: Viewed, path: str) -> None:
    foreign, unknown = get(viewed, path, **{"X-Stella-Tenant": "other"}), get(viewed, path.replace("{runId}", "run-x"))
    assert foreign.status_code == unknown.status_code == 404
    for listing in ("/", "/data/runs.json"):
        assert viewed.run_id in get(viewed, listing).text
        assert viewed.run_id not in get(viewed, listing, **{"X-Stella-Tenant": "other"}).text


@pytest.mark.parametrize(
    "path", ["/nothing", "/a/b/c", "/runs/run-x/", "/profiles/nope/", "/runs/a:cancel/", "/x%0d%0ay"]
)
def test_what_is_not_there_is_said_on_a_page(viewed: Viewed, path: str) -> None:
    got = get(viewed, path)
    assert got.status_code == 404
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>There is nothing here</h1>" in got.text
    assert got.headers["x-trace-id"] in got.text
    assert len(got.content) < 4000


def test_below_api_programs_get_json_whatever_is_wrong(viewed: Viewed) -> None:
    for path in ("/api", "/api/nothing", "/api/export/nothing"):
        got = get(viewed, path)
        assert (got.status_code, got.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND")


def test_pages_are_only_read(viewed: Viewed) -> None:
    got = httpx.post(f"{viewed.url}/")
    assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD")


def test_a_page_from_elsewhere_cannot_ask_for_pages_while_authentication_is_off(viewed: Viewed) -> None:
    assert get(viewed, "/", Host="evil.example").status_code == 403
    assert get(viewed, "/", Origin="https://evil.example").status_code == 403


def test_the_viewers_files_are_sent_once(viewed: Viewed) -> None:
    for name in ("style.css", "viewer.js", "vendor.js", "site.js", "site-vendor.js", "LICENSES.txt"):
        got = get(viewed, f"/viewer/{name}")
        assert got.headers["etag"] == f'"sha256-{hashlib.sha256(got.content).hexdigest()}"'
        assert got.headers["cache-control"] == "no-cache"
        again = get(viewed, f"/viewer/{name}", **{"If-None-Match": f'"other", {got.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    assert get(viewed, "/viewer/nothing.js").status_code == 404


def test_the_run_page_says_what_the_api_says(viewed: Viewed) -> None:
    run = viewed.running.run(viewed.run_id)
    page = get(viewed, "/runs/{runId}/").text
    assert run["contentDigest"] in page
    assert page.count("<time ") == len(viewed.running.events(viewed.run_id))
    state = json.loads(re.search(r'id="run-state">(.*?)</script>', page)[1])  # type: ignore[index]
    assert state["last"] == run["lastEvent"]["id"]
    assert state["isOver"]


def test_the_bundles_page_says_what_its_manifest_says(viewed: Viewed) -> None:
    page, manifest = get(viewed, "/bundles/{runId}/").text, get(viewed, "/bundles/{runId}/export.json")
    assert manifest.content == viewed.running.http.get(f"/runs/{viewed.run_id}/manifest").content
    for member in manifest.json()["members"]:
        assert member["path"] in page
    place = json.loads(re.search(r'id="page">(.*?)</script>', page)[1])["bundle"]  # type: ignore[index]
    url = httpx.URL(f"{viewed.url}/bundles/{viewed.run_id}/").join(place["url"])
    part = httpx.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"\x28\xb5\x2f\xfd")
    assert part.headers["content-range"] == f"bytes 0-3/{place['bytes']}"


@pytest.mark.parametrize("path", [path for path in PLACES if not path.endswith(".json")])
def test_whoever_is_not_signed_in_gets_the_same_page_without_data(guarded: Viewed, path: str) -> None:
    got = get(guarded, path)
    unknown = get(guarded, path.replace("{runId}", "run-x").replace("{profileId}", "nope"))
    assert got.status_code == 200
    assert got.text == unknown.text
    assert "acme" not in got.text
    assert guarded.run_id not in got.text
    told = json.loads(re.search(r'id="page">(.*?)</script>', got.text)[1])  # type: ignore[index]
    assert told["page"] == "shell"
    assert told["auth"]["issuer"] == "https://login.example/realm"
    assert told["auth"]["redirect"] == "https://export.example/signed-in.html"
    assert "connect-src 'self' https://login.example;" in got.headers["content-security-policy"]


def test_rows_are_for_those_who_signed_in(guarded: Viewed) -> None:
    got = get(guarded, "/data/runs.json")
    assert got.status_code == 401
    assert got.headers["www-authenticate"] == "DPoP"
    assert guarded.run_id in get(guarded, "/data/runs.json", Authorization="reader").text


def test_pages_ask_for_the_scopes_of_what_they_show(guarded: Viewed) -> None:
    status = {name: get(guarded, "/bundles/{runId}/", Authorization=name).status_code for name in Doorkeeper.scopes}
    assert status == {"reader": 403, "analyst": 200}
    refused = get(guarded, "/bundles/{runId}/", Authorization="reader").text
    assert "The token lacks the scope export:download." in refused
    assert get(guarded, "/runs/{runId}/", Authorization="reader").status_code == 200
    assert "data-allowed" not in get(guarded, "/runs/{runId}/", Authorization="analyst").text


def test_the_page_that_people_come_back_to_holds_nothing(guarded: Viewed, viewed: Viewed) -> None:
    got = get(guarded, "/signed-in.html?code=secret&state=x")
    assert got.status_code == 200
    assert "secret" not in got.text
    assert get(viewed, "/signed-in.html").status_code == 404
