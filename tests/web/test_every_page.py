"""Every page as a reader meets it: served, from a static site on a disk, and inside a bundle; light, dark and narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.server.watching import watched
from tests.web.looking import AXE, DONE, picture, sideways, violations
from tests.web.test_run_page import progress, run
from web.run_page import RunFacts
from web.site import Site, pages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.world import World

pytestmark = [
    pytest.mark.counterpart,
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed; run `npm ci` in tests/web/node"),
]

BUSY = "[aria-busy=true], .loading"
"""What is there while a page waits for something."""


class View(NamedTuple):
    """One page in one state.

    Attributes:
        address: Below the root of a site.
        there: What is visible when it is there.
        within: What is new on it; the rest of the page is looked at as another view.
    """

    address: str
    there: str
    within: str = "html"


PAGES = {
    "the overview": View("index.html", "#runs-place input"),
    "a bundle": View("bundles/{everything}/index.html", "#records-here button"),
    "a search": View("bundles/{everything}/index.html#q=drupal", f"#records-here {DONE}", "#records"),
    "a record": View("bundles/{everything}/index.html#record={record}", "#records-here .opened h3", "#records"),
    "a profile": View("profiles/json-policy/index.html", "h1"),
    "a comparison": View("compare.html?a={crates}&b={everything}", "#compare table"),
    "verification": View("verify.html", "#verify-form"),
}
SERVED = {
    "a run that succeeded": View("runs/{run}/index.html", "#run-bundle"),
    "a run that failed": View("runs/{failed}/index.html", "#run-notice"),
    "what is not there": View("runs/nothing/index.html", "h1"),
}
"""Pages that only a service has."""

RECORD = "RUSTSEC-2020-0071"


def check(page: Any, sentence: str, within: str, *, width: int, scheme: str) -> None:
    """Look at a page at one width and in one scheme, and keep a picture of it."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.locator(BUSY).wait_for(state="detached")
    picture(page, f"{sentence} {scheme} {width}")
    assert sideways(page) == 0, (sentence, width)
    assert violations(page, within) == {}, (sentence, width, scheme)


@pytest.mark.parametrize("sentence", [*PAGES, *SERVED])
def test_a_served_page_is_calm_and_accessible(browser: Any, world: World, sentence: str) -> None:
    view = {**PAGES, **SERVED}[sentence]
    names = {**world.runs, "run": world.runs["everything"], "record": RECORD}
    with watched(browser) as tab:
        page = tab.page()
        page.goto(f"{world.url}/{view.address.format(**names)}")
        page.locator(view.there).first.wait_for()
        if view.within == "html":
            check(page, f"served {sentence}", view.within, width=1280, scheme="light")
        check(page, f"served {sentence}", view.within, width=360, scheme="dark")
        assert tab.faults() == []
        assert tab.asked_others(world.url) == []


@pytest.mark.parametrize("sentence", PAGES)
def test_a_page_of_a_static_site_is_calm_and_accessible_when_it_is_opened_from_a_disk(
    browser: Any, world: World, sentence: str
) -> None:
    view = PAGES[sentence]
    address = view.address.format(everything="everything", crates="crates", record=RECORD)
    with watched(browser) as tab:
        page = tab.page()
        page.goto(f"{world.site.as_uri()}/{address}")
        if "#" in address:
            page.set_input_files("#records-here input:not([webkitdirectory])", world.archives["everything"])
        page.locator(view.there).first.wait_for()
        check(page, f"static {sentence}", view.within, width=360, scheme="light")
        assert tab.said == []
        assert tab.asked_others("file:") == []


def test_the_page_inside_a_bundle_opens_the_folder_that_it_lies_in(browser: Any, world: World) -> None:
    with watched(browser) as tab:
        page = tab.page()
        page.goto((world.extracted / "index.html").as_uri())
        page.set_input_files("#records-here input[webkitdirectory]", world.extracted)
        page.fill("#search", RECORD)
        page.press("#search", "Enter")
        page.get_by_role("link", name=RECORD).first.click()
        page.locator("#records-here .opened h3").wait_for()
        check(page, "in a bundle, a record", "#records", width=1280, scheme="dark")
        assert tab.said == []
        assert tab.asked_others("file:") == []


OVER = {"status": "failed", "errorCode": "signing", "error": {"code": "E", "message": "no key", "details": []}}


def test_the_page_of_a_run_in_a_static_site_is_calm_and_accessible(browser: Any, tmp_path: Path) -> None:
    facts = RunFacts(run=run(**OVER), tenant="acme", events=progress("plan", "sign"))
    for path, data in pages(Site(rows=(), runs=[facts])).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    with watched(browser) as tab:
        page = tab.page()
        page.goto((tmp_path / "runs" / facts.run["runId"] / "index.html").as_uri())
        page.locator("#run-notice").wait_for()
        check(page, "static a run that failed", "html", width=1280, scheme="light")
        check(page, "static a run that failed", "html", width=360, scheme="dark")
        assert tab.said == []
        assert tab.asked_others("file:") == []
