"""People sign in to the viewer: a real authorization server, a real browser, the service with its own checks."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from server.auth.authenticator import Authenticator
from server.auth.fetching import fetcher
from server.auth.gate import Gate
from server.auth.jwks import JwksCache
from server.auth.replays import MemoryReplays
from server.auth.settings import AuthSettings
from server.caller import Caller
from server.embedded import free_port
from server.sign_in import SignIn
from tests.server.conftest import serving
from tests.server.watching import Watched, chromium, watched
from tests.web.looking import AXE, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server.conftest import Running

pytestmark = pytest.mark.counterpart

NODE = Path(__file__).parent / "node"
AUDIENCE = "urn:export-center"
SCOPES = "openid offline_access export:read export:run export:download"


class Open(NamedTuple):
    """A service that people sign in to, its issuer, a browser, and the service as programs reach it."""

    running: Running
    issuer: str
    browser: Any

    @property
    def url(self) -> str:
        return self.running.url


class Doors:
    """The real gate for browsers; the tests themselves come in with a name, to prepare things."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def headers(self, now: int) -> dict[str, str]:
        return self._gate.headers(now)

    def __call__(self, method: str, path: str, headers: Any, scope: str, now: int) -> Any:
        named = dict(headers)
        if named.get(b"authorization") == b"test":
            tenant = named[b"x-stella-tenant"].decode()
            scopes = frozenset(SCOPES.split())
            return Caller(subject="user:test", client="test", tenants=(tenant,), tenant=tenant, scopes=scopes)
        return self._gate(method, path, headers, scope, now)


@pytest.fixture(scope="module")
def opened(
    counterpart: Callable[[str], str], evidence_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open]:
    pytest.importorskip("playwright.sync_api")
    if not (NODE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed: run `npm ci` in tests/server/node")
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `npm ci` in tests/web/node")
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command = [counterpart("node"), str(NODE / "people.mjs"), AUDIENCE, origin]
    issuer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert issuer.stdout
    told = json.loads(issuer.stdout.readline())
    auth = AuthSettings(
        issuer=told["issuer"],
        audience=AUDIENCE,
        jwks_uri=told["jwks_uri"],
        public_base_url=origin,
        nonces_required=True,
        nonce_secret=b"for tests only, and long enough.",
    )
    known = Authenticator(auth, find_key=JwksCache(fetcher(auth.jwks_uri)).find, replays=MemoryReplays())
    doors = {"authenticate": Doors(Gate(known)), "sign_in": SignIn(auth=auth, client="viewer", scopes=SCOPES)}
    with (
        ending(issuer),
        serving(evidence_home, tmp_path_factory.mktemp("people"), port=port, **doors) as running,
        chromium(counterpart("chromium")) as browser,
    ):
        running.http.headers["Authorization"] = "test"
        yield Open(running, told["issuer"], browser)


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a program afterwards, whatever happened."""
    with process:
        try:
            yield
        finally:
            process.terminate()


def sign_in(page: Any, name: str) -> None:
    back = page.url
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", "anything")
    page.click("button[type=submit]")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(back)
    page.get_by_text("Opening…").wait_for(state="detached")


@pytest.fixture
def tab(opened: Open) -> Iterator[Watched]:
    with watched(opened.browser) as seen:
        yield seen


def test_an_analyst_signs_in_looks_reads_follows_cancels_and_signs_out(opened: Open, tab: Watched) -> None:
    running = opened.running
    done = running.submit()
    bundle = running.ended(done)["distributions"][0]
    page = tab.page()
    page.goto(f"{opened.url}/bundles/{done}/?from=mail#members")
    page.get_by_role("heading", name="Sign in to see this page").wait_for()
    assert done not in page.content()
    assert violations(page) == {}
    sign_in(page, "ann")
    assert violations(page) == {}
    assert page.url == f"{opened.url}/bundles/{done}/?from=mail#members"
    assert page.inner_text("#session").split() == ["ann", "acme", "Sign", "out"]
    assert page.inner_text("h1") == "json-raw"

    # The bytes come from the API, in ranges, with a proof for each.
    part = page.evaluate(
        """async () => {
          const headers = { Range: "bytes=0-3" };
          const answer = await ExportCenter.session.fetch(ExportCenter.page.bundle.url, { headers });
          return [answer.status, answer.headers.get("content-range"), [...new Uint8Array(await answer.arrayBuffer())]];
        }"""
    )
    assert part == [206, f"bytes 0-3/{bundle['sizeBytes']}", [0x28, 0xB5, 0x2F, 0xFD]]
    with page.expect_download() as waiting:
        page.locator("a[data-download]").first.click()
    assert Path(waiting.value.path()).stat().st_size == bundle["sizeBytes"]

    page.get_by_role("link", name="Overview").click()
    page.get_by_role("heading", name="Runs and bundles").wait_for()
    assert page.get_by_role("link", name=done).first.is_visible()

    running.prefect.held.clear()
    follows, canceled = running.submit(), running.submit()
    page.goto(f"{opened.url}/runs/{canceled}/")
    page.get_by_role("button", name="Cancel this run").click()
    page.fill("#run-reason", "too early")
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_text("canceled by user:ann, who said: too early").wait_for()
    assert running.run(canceled)["canceledBy"] == "user:ann"

    page.goto(f"{opened.url}/runs/{follows}/")
    page.get_by_text("Live").wait_for()
    running.prefect.held.set()
    page.get_by_role("link", name="Open the bundle").click()
    page.wait_for_url(f"**/bundles/{follows}/index.html")
    page.get_by_role("heading", name="json-raw", exact=True).wait_for()

    other = tab.page()
    other.goto(f"{opened.url}/")
    other.get_by_role("button", name="Sign out").wait_for()  # taken over from the first tab
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out here").wait_for()
    assert violations(page) == {}
    other.get_by_role("heading", name="Sign in to see this page").wait_for()
    assert "json-raw" not in page.content() + other.content()
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]
    assert tab.asked_others(opened.url, opened.issuer, "https://fonts.googleapis.com/") == []


def test_what_a_browser_keeps_cannot_be_used_elsewhere(opened: Open, tab: Watched) -> None:
    page = tab.page()
    page.goto(f"{opened.url}/verify.html")
    sign_in(page, "ann")
    token = json.loads(page.evaluate("sessionStorage['export-center:token']"))
    assert token["refresh"]
    assert page.evaluate("localStorage.length") == 0
    shown = page.evaluate(
        """async () => {
          const { privateKey } = await ExportCenter.keeping.keyPair();
          const exported = await crypto.subtle.exportKey("jwk", privateKey).then(() => "out", (error) => error.name);
          return [privateKey.extractable, privateKey.algorithm.namedCurve, exported];
        }"""
    )
    assert shown == [False, "P-256", "InvalidAccessError"]
    asked = [url for url in tab.asked if url.startswith((opened.url, opened.issuer))]
    assert [url for url in asked if token["access"] in url or token["refresh"] in url] == []
    # Whoever has the token and not the key is nobody.
    with watched(opened.browser) as elsewhere:
        thief = elsewhere.page()
        thief.goto(f"{opened.url}/verify.html")
        thief.evaluate("(token) => { sessionStorage['export-center:token'] = token; }", json.dumps(token))
        thief.reload()
        thief.get_by_role("heading", name="Sign in to see this page").wait_for()


def test_a_foreign_run_is_not_there(opened: Open, tab: Watched) -> None:
    run = opened.running.submit()
    opened.running.ended(run)
    page = tab.page()
    page.goto(f"{opened.url}/runs/{run}/")
    sign_in(page, "eve")
    page.get_by_role("heading", name="There is nothing here").wait_for()
    assert violations(page) == {}
    before = len(tab.said)
    page.reload()
    page.get_by_role("heading", name="There is nothing here").wait_for()
    # One answer that is 404: the proof had its nonce from the page.
    assert len(tab.said) == before + 1, tab.said
    for path in (f"/bundles/{run}/", f"/bundles/{run}/export.json", f"/api/export/runs/{run}/events"):
        assert page.evaluate("async (path) => (await ExportCenter.session.fetch(path)).status", path) == 404
    page.goto(opened.url)
    page.get_by_role("heading", name="Runs and bundles").wait_for()
    assert run not in page.content()


def test_whose_token_has_several_tenants_chooses_one(opened: Open, tab: Watched) -> None:
    run = opened.running.submit()
    opened.running.ended(run)
    page = tab.page()
    page.goto(opened.url)
    sign_in(page, "sue")
    page.get_by_role("link", name=run).first.wait_for()
    page.locator("#session select").select_option("beta")
    page.get_by_text("There are no runs and no bundles here yet.").wait_for()
    page.goto(f"{opened.url}/runs/{run}/")
    page.get_by_role("heading", name="There is nothing here").wait_for()
    page.locator("#session select").select_option("acme")
    page.get_by_role("heading", name=run, exact=True).wait_for()


CHANGES = {
    "that has run out": "token.until = 0",
    "that the service refuses": "token.access = token.access.slice(0, -6) + 'AAAAAA'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_token_is_renewed_without_a_word(opened: Open, tab: Watched, change: str) -> None:
    page = tab.page()
    page.goto(opened.url)
    sign_in(page, "ann")
    before = page.evaluate(
        f"""() => {{
          const token = JSON.parse(sessionStorage["export-center:token"]);
          {change};
          sessionStorage["export-center:token"] = JSON.stringify(token);
          return token.access;
        }}"""
    )
    page.reload()
    page.get_by_role("heading", name="Runs and bundles").wait_for()
    assert json.loads(page.evaluate("sessionStorage['export-center:token']"))["access"] != before


AGE = """() => {
  const token = JSON.parse(sessionStorage["export-center:token"]);
  sessionStorage["export-center:token"] = JSON.stringify({ ...token, until: 0 });
}"""


def test_an_issuer_that_is_away_costs_nobody_the_session(opened: Open, tab: Watched) -> None:
    page = tab.page()
    page.goto(opened.url)
    sign_in(page, "ann")
    page.evaluate(AGE)
    page.route(f"{opened.issuer}/token", lambda route: route.abort("connectionrefused"))
    page.reload()
    page.get_by_text("It cannot be reached. Is it running, and are you connected?").wait_for()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Runs and bundles").wait_for()


FORGE = """() => {
  const token = JSON.parse(sessionStorage["export-center:token"]);
  const access = `x.${btoa(JSON.stringify({ sub: "sue" }))}.x`;
  sessionStorage["export-center:token"] = JSON.stringify({ ...token, access });
}"""


def test_a_tab_takes_what_another_has_renewed_and_nothing_of_somebody_else(opened: Open, tab: Watched) -> None:
    first, second = tab.page(), tab.page()
    first.goto(opened.url)
    sign_in(first, "ann")
    second.clock.install()
    second.goto(opened.url)

    def renewals(*, patience: bool) -> int:
        """Reload the second tab with a token that has run out; return how often the issuer was asked."""
        before = tab.asked.count(f"{opened.issuer}/token")
        second.get_by_role("heading", name="Runs and bundles").wait_for()
        second.evaluate(AGE)
        if patience:
            # However busy this machine is, the other tab answers in time.
            second.clock.pause_at(time.time() + 2)
        second.reload()
        second.get_by_role("heading", name="Runs and bundles").wait_for()
        assert second.inner_text("#session").startswith("ann")
        return tab.asked.count(f"{opened.issuer}/token") - before

    assert renewals(patience=True) == 0
    second.clock.resume()
    first.evaluate(FORGE)
    assert renewals(patience=False) > 0


def test_a_session_that_cannot_be_renewed_ends_with_the_way_back(opened: Open, tab: Watched) -> None:
    page = tab.page()
    page.goto(f"{opened.url}/compare.html#a=1")
    sign_in(page, "ann")
    page.evaluate(
        """() => {
          const { refresh, ...token } = JSON.parse(sessionStorage["export-center:token"]);
          sessionStorage["export-center:token"] = JSON.stringify({ ...token, until: 0 });
        }"""
    )
    page.reload()
    page.get_by_role("heading", name="Sign in to see this page").wait_for()
    assert page.url.endswith("/compare.html#a=1")


def test_answers_to_no_sign_in_and_refusals_are_told_in_words(opened: Open, tab: Watched) -> None:
    page = tab.page()
    page.goto(f"{opened.url}/signed-in.html?code=stolen&state=guessed&iss={opened.issuer}")
    page.get_by_text("No sign-in was begun in this tab, or it is over already.").wait_for()
    assert page.url == f"{opened.url}/signed-in.html"
    assert violations(page) == {}
    page.goto(opened.url)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_text("The sign-in was declined.").wait_for()
    # An answer that somebody else's sign-in got.
    page.get_by_role("button", name="To the overview").click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{opened.issuer}/**")
    page.goto(f"{opened.url}/signed-in.html?code=stolen&state=guessed&iss={opened.issuer}")
    page.get_by_role("heading", name="Sign-in did not work").wait_for()
    assert page.evaluate("sessionStorage.length") == 0
