"""The page about a bundle that lies in a site, that is encrypted, that is a delta, or that is a Trivy database."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Literal

import pytest

from bundle.manifest import Base, Component, Counts, Encryption
from tests.web.conftest import digest, manifest_of, member
from web.around import ALONE, Around, Receipt
from web.bundle_page import in_site, render
from web.facts import DeltaCounts, facts_of, pages_of
from web.layout import BundlePlace, Layout
from web.members import LISTED
from web.trivy_report import LARGEST, PATH, member_of, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.facts import BundleFacts

KEY = (digest(6), "ecdsa-p256-sha256")
RECEIPTS = (
    Receipt(type="http", location="exports/run-1.tar.zst", state="success", sha256=digest(7), bytes=2_500_000),
    Receipt(type="oci", location="registry.example/evidence<b>\u202e", state="failed"),
)


def site_page(facts: BundleFacts, around: Around = ALONE, layout: Literal["tar.zst", "dir"] = "tar.zst") -> str:
    place = BundlePlace(name="run-1 & co", url="bundle.tar.zst", layout=layout, bytes=2_500_000)
    made = Layout(mode="static", page="bundle", title="x", root="../../", bundle=place)
    return in_site(manifest_of(facts), made, around, key=KEY).decode().replace("<wbr>", "")


def text_of(page: str) -> str:
    """Return what a page says, in one line; what stands in a command without its spans."""
    return " ".join(html.unescape(re.sub("<[^>]*>", "", page)).replace("\u202f", " ").split())


def test_facts_of_a_bundle_that_exists_are_those_it_was_made_of(friendly: BundleFacts) -> None:
    manifest = manifest_of(friendly)
    assert facts_of(manifest, key_id=friendly.key_id, algorithm=friendly.algorithm) == friendly
    assert list(pages_of(manifest)) == list(render(friendly))


def test_a_page_in_a_site_leads_to_run_profile_archive_and_comparison(friendly: BundleFacts) -> None:
    around = Around(sha256=digest(9), run="../../runs/run-1/index.html", profile="../../profiles/p/index.html")
    page = site_page(friendly, around)
    hrefs = set(re.findall('href="([^"]*)"', page))
    assert {around.run, around.profile, "bundle.tar.zst", "../../compare.html?a=run-1%20%26%20co"} <= hrefs
    assert {"../../index.html", "../../verify.html", "../../viewer/style.css"} <= hrefs
    assert f"echo '{digest(9)} bundle.tar.zst' | sha256sum -c -" in text_of(page)
    assert 'export-center bundle verify bundle.tar.zst --key "$KEY"' in text_of(page)


def test_a_page_in_a_site_states_the_digest_of_every_member_the_bundles_own_page_too(friendly: BundleFacts) -> None:
    page = site_page(friendly)
    rows = re.findall(r'data-value="([^"]+)"><span class="path">', page)
    assert rows == [each.path for each in manifest_of(friendly).members]
    assert "this page; its size and digest are in export.json" not in page


def test_the_archive_is_offered_by_the_name_it_is_downloaded_under(friendly: BundleFacts) -> None:
    page = site_page(friendly, Around(sha256=digest(9), file="export-run 1.tar.zst"))
    assert 'download="export-run 1.tar.zst"' in page
    assert "export-center bundle verify 'export-run 1.tar.zst' --key" in text_of(page)


def test_a_bundle_that_the_site_does_not_carry_has_a_page_without_ways_to_it(friendly: BundleFacts) -> None:
    made = Layout(mode="static", page="bundle", title="x", root="../../")
    said = text_of(in_site(manifest_of(friendly), made, ALONE, key=KEY).decode())
    assert "412 907 records" in said
    assert "Download" not in said


@pytest.mark.parametrize("layout", ["tar.zst", "dir"])
def test_only_an_archive_can_be_downloaded(friendly: BundleFacts, layout: Literal["tar.zst", "dir"]) -> None:
    assert ("data-download" in site_page(friendly, layout=layout)) is (layout != "dir")


def test_targets_are_listed_and_drawn_with_their_state(friendly: BundleFacts) -> None:
    page = site_page(friendly, Around(receipts=RECEIPTS))
    said = text_of(page)
    assert "sent to 2 targets" in said
    assert '<td>success</td><td class="num">2.5\u202fMB</td>' in page
    assert digest(7) in page
    assert "registry.example/evidence<b>\\u{202e}" in said
    assert page.count(">failed<") == 3  # in the drawing, in its words, and in the table
    assert "<b>" not in page
    assert "\u202e" not in page


def test_many_targets_share_the_last_line_of_the_drawing_and_none_is_left_out_of_the_table(
    friendly: BundleFacts,
) -> None:
    many = tuple(Receipt(type="object", location=f"s3://x/{place}", state="success") for place in range(20))
    page = site_page(friendly, Around(receipts=many))
    assert "15 more targets" in page
    assert all(f"<td>s3://x/{place}</td>" in page for place in range(20))


def test_inside_a_bundle_nothing_is_said_about_where_it_was_sent(friendly: BundleFacts) -> None:
    said = text_of(render(friendly)["index.html"].decode())
    assert "Where this bundle was sent is not in it" in said
    assert "Compare with another bundle" not in said


def encrypted(changed: Callable[..., BundleFacts], *, strict: bool, **fields: Any) -> str:
    recipients = [f"age1recipient{place}" for place in range(3)]
    encryption = Encryption(mode="age", recipients=recipients, strict=strict)
    return text_of(render(changed(encryption=encryption, **fields))["index.html"].decode())


def test_an_encrypted_bundle_names_its_recipients_and_what_can_be_checked_without_them(
    changed: Callable[..., BundleFacts],
) -> None:
    said = encrypted(changed, strict=False)
    assert "age1recipient0age1recipient1age1recipient2" in said
    assert "how many records there are" in said
    assert "Strict:" not in said


def test_a_strictly_encrypted_bundle_never_looks_empty(changed: Callable[..., BundleFacts]) -> None:
    none = Counts(
        records=0, by_kind={}, by_source={}, by_format={}, by_ecosystem={}, by_severity={}, without_modified=0,
        findings_without_policy=0,
    )  # fmt: skip
    sealed = [member("data/advisories.jsonl.zst.age", records=None, size=9)]
    said = encrypted(changed, strict=True, counts=none, selectors={}, members=sealed)
    assert "Encrypted evidence went through 6 normalisers" in said
    assert "no records" not in said
    assert "Strict:" in said
    assert "does not state how many records" in said
    assert "holds no records" not in said
    assert "There is nothing to count" not in said
    assert said.count("not stated") >= 2


def delta_facts(changed: Callable[..., BundleFacts], **fields: Any) -> BundleFacts:
    lists = [
        member("mirror/delta/changes.jsonl.zst", records=220, size=9_000),
        member("mirror/delta/removed.jsonl.zst", records=0, size=9),
    ]
    return changed(base=Base(content_digest=digest(9), snapshot_digest=digest(10)), members=lists, **fields)


def test_a_delta_states_its_base_and_what_its_lists_hold(changed: Callable[..., BundleFacts]) -> None:
    page = render(delta_facts(changed))["index.html"].decode().replace("<wbr>", "")
    assert digest(9) in page
    assert digest(10) in page
    assert re.findall(r"<dt>(Added or changed|Removed)</dt><dd>(\w+)", page) == [
        ("Added or changed", "220"),
        ("Removed", "0"),
    ]
    assert re.findall('data-list="([^"]+)"', page) == ["delta-changes"]


def test_a_delta_tells_added_from_changed_when_its_adapter_did(changed: Callable[..., BundleFacts]) -> None:
    facts = delta_facts(changed, delta=DeltaCounts(added=200, changed=20, removed=0))
    page = render(facts)["index.html"].decode()
    assert re.findall(r"<div><dt>(\w+)</dt><dd>(\w+) <small>", page)[:3] == [("Added", "200"), ("Changed", "20"), ("Removed", "0")]  # fmt: skip


def test_lists_of_an_encrypted_delta_are_named_and_not_offered(changed: Callable[..., BundleFacts]) -> None:
    facts = changed(
        base=Base(content_digest=digest(9), snapshot_digest=digest(10)),
        members=[member("mirror/delta/changes.jsonl.zst.age", records=None, size=9_000)],
    )
    page = render(facts)["index.html"].decode()
    assert "which is encrypted to its recipients" in page
    assert "data-list" not in page
    assert re.findall(r"<dt>(Added or changed|Removed)</dt><dd>([\w ]+) <", page) == [
        ("Added or changed", "not stated"), ("Removed", "not stated"),
    ]  # fmt: skip


def test_a_bundle_that_stands_alone_has_no_section_about_a_delta(friendly: BundleFacts) -> None:
    assert b'id="delta"' not in render(friendly)["index.html"]


STUB = b"no finding is no all-clear"


def test_a_stub_of_red_hat_is_shouted_on_the_page_and_in_the_readme(changed: Callable[..., BundleFacts]) -> None:
    stub = read(json.dumps({"unexpressed": [], "redHatStub": True}).encode())
    option = [Component(name="trivy:db", version="1", options={"redHatStub": True})]
    for facts in (changed(trivy=stub), changed(adapters=option)):
        pages = render(facts)
        assert STUB in b" ".join(pages["README.md"].split())
        assert STUB in pages["index.html"]
    assert STUB not in render(changed())["index.html"]


def test_a_trivy_report_that_was_read_out_of_a_bundle_is_shown_in_a_site(friendly: BundleFacts) -> None:
    report = read(json.dumps({"unexpressed": [{"reason": "no-driver", "id": "<i>X"}]}).encode())
    page = site_page(friendly, Around(trivy=report))
    assert "No scanner for it" in page
    assert "&lt;i&gt;X" in page


def test_a_bundle_of_very_many_members_lists_the_first_and_counts_the_rest(changed: Callable[..., BundleFacts]) -> None:
    many = [member(f"data/{place:05d}.jsonl.zst", records=1, size=1) for place in range(LISTED + 500)]
    pages = render(changed(members=many))
    assert pages["index.html"].count(b'class="path"') == LISTED
    assert "and 506 more; export.json lists them all" in pages["index.html"].decode()
    assert "- and 505 more" in pages["README.md"].decode()


def test_a_selector_of_many_values_is_listed_in_full_behind_a_summary(changed: Callable[..., BundleFacts]) -> None:
    ids = [f"CVE-2026-{place:04d}" for place in range(300)]
    page = render(changed(selectors={"ids": ids}))["index.html"].decode()
    assert all(f"<li>{one}</li>" in page for one in ids)
    assert "<summary>276 more</summary>" in page


@pytest.mark.parametrize("suffix", ["", ".age"])
def test_a_trivy_report_that_nobody_read_is_not_passed_over(changed: Callable[..., BundleFacts], suffix: str) -> None:
    page = render(changed(members=[member(f"data/trivy/report.json{suffix}", records=None, size=9)]))["index.html"]
    assert "was not read for this page" in page.decode()
    assert "could be expressed" not in page.decode()


def test_only_a_report_that_can_be_read_is_asked_for() -> None:
    plain = member(PATH, records=None, size=LARGEST)
    assert member_of([member("data/trivy/db.tar.gz", records=None, size=1), plain]) == plain
    assert member_of([member(PATH, records=None, size=LARGEST + 1)]) is None
    assert member_of([member(f"{PATH}.age", records=None, size=9)]) is None
