"""Whole ways of an analyst over a real service: to a record by whatever is known of it, and to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.watching import watched
from tests.web.looking import DONE, picture
from tests.web.tampering import Members, as_tar, flipped, members_of, new_signer, replaced, signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.web.world import World

pytestmark = pytest.mark.counterpart

RECORD = "RUSTSEC-2020-0071"
KNOWN = {
    "its id": RECORD,
    "its id in small letters": RECORD.lower(),
    "an alias": "CVE-2020-26235",
    "a package URL": "pkg:cargo/time",
    "the name of a package and a word of the title": "time segfault",
    "a word of the title": "segfault",
}
"""What may be known of a record."""

DATA = "data/advisories.jsonl.zst"
TAMPERED: dict[str, tuple[Callable[[Members], Members], str]] = {
    "a bit of the records was turned": (
        lambda found: replaced(found, {DATA: flipped(dict(found)[DATA], 5_000)}), f"Step 6 failed at {DATA}:",
    ),
    "a bit of an index was turned": (
        lambda found: replaced(found, {"indexes/advisories.pages": flipped(dict(found)["indexes/advisories.pages"], 0)}),
        "Step 6 failed at indexes/advisories.pages:",
    ),
    "the records were left out": (
        lambda found: [each for each in found if each[0] != DATA], f"Step 5 failed at {DATA}:",
    ),
    "the manifest says something else": (
        lambda found: replaced(found, {"export.json": dict(found)["export.json"].replace(b"osv-crates", b"osv-crotes")}),
        "Step 2 failed at export.json.sig:",
    ),
    "all of it was signed by another": (
        lambda found: signed(found, new_signer("ecdsa-p256-sha256")), "Step 2 failed at export.json.sig:",
    ),
}  # fmt: skip
"""What was done to a bundle, and what is said of it."""


def test_a_record_is_reached_from_the_overview_by_whatever_is_known_of_it(browser: Any, world: World) -> None:
    run = world.runs["everything"]
    with watched(browser) as tab:
        page = tab.page()
        page.goto(f"{world.url}/")
        page.locator("#all").get_by_role("link", name=run).click()
        page.get_by_role("link", name="Open the bundle").or_(page.locator("#records")).first.wait_for()
        if "/runs/" in page.url:
            page.get_by_role("link", name="Open the bundle").click()
        page.locator("#records").scroll_into_view_if_needed()
        for sentence, query in KNOWN.items():
            page.fill("#search", query)
            page.press("#search", "Enter")
            page.locator(f"#records-here {DONE}").wait_for()
            assert page.locator("#records-here").get_by_role("link", name=RECORD).count() == 1, sentence
            assert page.url.partition("#q=")[2], sentence
        page.locator("#records-here").get_by_role("link", name=RECORD).click()
        page.locator("#records-here h3", has_text="Potential segfault in the time crate").wait_for()
        page.reload()
        page.locator("#records-here h3", has_text="Potential segfault in the time crate").wait_for()
        assert RECORD in page.title()
        assert tab.said == []
        assert tab.asked_others(world.url) == []


def test_a_good_bundle_and_five_altered_ones_are_judged_by_the_page_that_a_service_has(
    browser: Any, world: World, tmp_path: Path
) -> None:
    genuine = members_of(world.archives["crates"])
    with watched(browser) as tab:
        page = tab.page()
        page.goto(f"{world.url}/verify.html")
        page.fill("#trusted-pem", world.pem)
        assert judged(page, world.archives["crates"]).startswith("Verified")
        picture(page, "a verdict, good")
        for sentence, (change, words) in TAMPERED.items():
            path = tmp_path / f"{sentence}.tar.zst"
            path.write_bytes(as_tar(change(genuine)))
            verdict = judged(page, path)
            assert verdict.startswith("Not verified"), sentence
            assert words in verdict, (sentence, verdict)
        picture(page, "a verdict, not good")
        assert tab.said == []
        assert tab.asked_others(world.url) == []


def judged(page: Any, path: Path) -> str:
    """Return the verdict of the page that verifies."""
    page.set_input_files("#verify-choose input:not([webkitdirectory])", path)
    page.click("#verify-actions .main:enabled")
    page.locator("#verify-verdict").wait_for()
    return str(page.inner_text("#verify-verdict"))


def test_a_bundle_that_was_altered_where_the_service_keeps_it_is_found_out_on_its_page(
    browser: Any, world: World
) -> None:
    kept, run = world.archives["crates"], world.runs["crates"]
    with watched(browser) as tab:
        page = tab.page()
        page.goto(f"{world.url}/bundles/{run}/#verify")
        page.fill("#trusted-pem", world.pem)
        assert verdict_here(page).startswith("Verified")
        data = kept.read_bytes()
        try:
            # The name is another one of the same file.
            kept.write_bytes(flipped(data, len(data) // 4))
            assert verdict_here(page).startswith("Not verified")
        finally:
            kept.write_bytes(data)
        assert verdict_here(page).startswith("Verified")
        assert tab.asked_others(world.url) == []


def verdict_here(page: Any) -> str:
    """Return what a bundle's page says of the archive behind it."""
    page.click("#verify-actions .main:enabled")
    page.locator("#verify-actions .main:enabled").wait_for()
    page.locator("#verify-verdict").wait_for()
    return str(page.inner_text("#verify-verdict"))
