"""What scripts add to the bundle's page: kept tables, windowed counts, permalinks, lists read from the bundle, paper."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zstandard

from bundle.build import write_bundle
from bundle.envelope import sign_envelope
from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair, signer_from_uri
from bundle.manifest import Base, Encryption
from tests.bundle.conftest import manifest_of_payload, payload
from tests.web.conftest import digest, friendly_facts, manifest_of, member
from web.around import Around, Receipt
from web.assets import site_files
from web.bundle_page import in_site, render
from web.facts import facts_of
from web.layout import BundlePlace, Layout
from web.members import LISTED
from web.trivy_report import read

if TYPE_CHECKING:
    from bundle.manifest import Manifest

pytestmark = pytest.mark.counterpart

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
VALUES = 5_000
CHANGES = [
    {"change": "added", "kind": "advisory", "source": "ghsa", "id": f"GHSA-{place:05d}"} for place in range(3_000)
]
CHANGES[7] |= {"change": "changed", "id": "<img src=x onerror=alert(1)>\u202e", "kind": ["not", "a", "text"]}
REPORT = {
    "unexpressed": [
        {"reason": "version-grammar", "id": f"GHSA-{place}", "ecosystem": "npm", "detail": "<1.2.3.4"}
        for place in range(50)
    ]
    + [{"reason": "no-driver", "count": 40, "examples": [{"id": "X-1"}, {"id": "X-2"}]}],
    "redHatStub": True,
}


def shown(browser: Any, page_path: Path, **options: Any) -> Any:
    """Open a page; whatever it complains of is kept in its ``complaints``."""
    page = browser.new_context(**options).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(page_path.as_uri())
    return page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a bundle that lists as many values as a manifest can, of every kind."""
    folder = tmp_path_factory.mktemp("many")
    facts = friendly_facts()
    names = ("by_source", "by_ecosystem", "by_severity", "by_format")
    tables = {name: {f"={name}-{place:04d}": VALUES - place for place in range(VALUES)} for name in names}
    counts = msgspec.structs.replace(facts.counts, **tables)
    for path, data in render(dataclasses.replace(facts, counts=counts)).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    return folder / "index.html"


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a real bundle that is a delta and holds a Trivy report, with its pages."""
    folder = tmp_path_factory.mktemp("delta")
    save_key_pair(folder, "key", generate_key_pair("ed25519"))
    signer = signer_from_uri(f"file:{folder / 'key.key'}")
    staging = folder / "staging"
    staging.mkdir()
    lines = b"".join(json.dumps(change).encode() + b"\n" for change in CHANGES)
    half = len(lines) // 2
    packed = b"".join(zstandard.compress(part) for part in (lines[:half], lines[half:]))
    data = [
        payload(staging, "data/trivy/report.json", json.dumps(REPORT).encode()),
        payload(staging, "mirror/delta/changes.jsonl.zst", packed),
        payload(staging, "mirror/delta/removed.jsonl.zst", b""),
    ]
    base = Base(content_digest=digest(9), snapshot_digest=digest(10))
    first = manifest_of_payload(data, 0, base=base)
    report = read((staging / "data-trivy-report.json").read_bytes())
    facts = facts_of(first, key_id=signer.public.key_id, algorithm=signer.public.algorithm, trivy=report)
    pages = [payload(staging, path, made) for path, made in render(facts).items()]
    manifest: Manifest = manifest_of_payload([*pages, *data], 0, base=base)
    envelope = sign_envelope(manifest, signer)
    write_bundle(folder / "bundle", layout="dir", envelope=envelope, payload=[*pages, *data])
    write_bundle(folder / "bundle.tar.zst", layout="tar.zst", envelope=envelope, payload=[*pages, *data])
    return folder


def kept(page: Any, name: str) -> tuple[str, str]:
    """Press a button that keeps a table; return the file's name and text."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes().decode()


def test_tables_are_kept_as_they_are_shown_and_a_part_says_that_it_is_one(browser: Any, many: Path) -> None:
    page = shown(browser, many)
    name, text = kept(page, "CSV: by ecosystem")
    rows = list(csv.reader(io.StringIO(text)))
    assert name == f"by-ecosystem-all-{VALUES}.csv"
    assert (rows[0], rows[1], len(rows)) == (["value", "count"], ["'=by_ecosystem-0000", "5000"], VALUES + 1)
    page.fill("#filter", "indexes vex")
    page.get_by_role("button", name="Size").click()
    name, text = kept(page, "JSON: members")
    made = json.loads(text)
    assert name == "members-filtered-3-of-27.json"
    assert [row["path"] for row in made["rows"]] == [f"indexes/vex.{one}" for one in ("frames", "pages", "root")]
    assert {"path", "records", "bytes", "sha256"} == set(made["rows"][0])
    assert made["rows"][0] | {"path": "", "sha256": ""} == {"path": "", "records": None, "bytes": 243_376, "sha256": ""}
    assert "indexes vex" in made["filter"]
    assert page.complaints == []


def test_members_that_the_page_has_no_room_for_are_counted_beside_the_filter_and_in_what_is_kept(
    browser: Any, tmp_path: Path
) -> None:
    members = [member(f"data/{place:05d}.jsonl.zst", records=1, size=1) for place in range(LISTED + 500)]
    for path, data in render(dataclasses.replace(friendly_facts(), members=members)).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    page = shown(browser, tmp_path / "index.html")
    cut = "the first 2\u202f000 of 2\u202f506, export.json lists them all"
    assert page.text_content("#shown") == f"2\u202f000 of 2\u202f506 members; {cut}"
    name, text = kept(page, "CSV: members")
    assert name == "members-filtered-2000-of-2506.csv"
    assert "the first 2000 of 2506" in text.splitlines()[0]
    page.fill("#filter", "data/00007")
    name, text = kept(page, "JSON: members")
    assert name == "members-filtered-1-of-2506.json"
    said = json.loads(text)
    assert said["filter"].startswith("1 of 2506 rows; words: data/00007; the first 2000 of 2506")
    assert (said["shown"], said["total"]) == (1, 2506)
    assert page.complaints == []


def test_a_link_to_a_filtered_and_sorted_table_shows_it_so(browser: Any, many: Path) -> None:
    page = shown(browser, many)
    page.fill("#filter", "data")
    assert page.evaluate("history.length") == 2  # typing is no place to go back to; about:blank is the first
    page.get_by_role("button", name="Size").click()
    page.get_by_role("button", name="Size").click()
    other = browser.new_context().new_page()
    other.goto(page.url)
    assert other.input_value("#filter") == "data"
    assert other.locator("#member-table tbody tr:visible .path").all_text_contents()[0] == "data/advisories.jsonl.zst"
    page.go_back()
    assert page.get_attribute("#member-table thead th:nth-child(3)", "aria-sort") == "ascending"


def test_five_thousand_values_are_windowed_when_they_are_opened(browser: Any, many: Path) -> None:
    page = shown(browser, many)
    page.locator("#by-source summary").click()
    page.wait_for_selector("#by-source-all")
    assert page.locator("#by-source-all tbody tr").count() < 100
    assert page.get_attribute("#by-source-all-grid", "aria-rowcount") == str(VALUES + 1)
    assert page.locator("#by-source-all tbody tr").first.text_content() == "=by_source-00005000"
    page.fill("#by-source-all-words", "4999")
    other = browser.new_context().new_page()
    other.goto(page.url)
    assert other.locator("#by-source-all tbody tr").all_text_contents() == ["=by_source-00014999", "=by_source-49991"]
    assert page.complaints == []


def test_on_paper_there_are_no_controls_and_short_lists_are_open(browser: Any, many: Path) -> None:
    page = shown(browser, many)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("button:not(.sort):visible, input:visible, select:visible").count() == 0
    assert page.locator("#members details[open]").count() == 1
    assert page.locator("details.long[open]").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_the_age_of_a_bundle_is_a_hint_by_the_readers_clock(browser: Any, many: Path) -> None:
    page = shown(browser, many)
    assert " ago, by your clock" in str(page.text_content(".facts.key .ago"))


def test_lists_of_a_delta_and_a_trivy_report_are_read_from_the_bundle_that_is_chosen(browser: Any, delta: Path) -> None:
    page = shown(browser, delta / "bundle" / "index.html")
    assert "no finding is no all-clear" in str(page.text_content(".alarm"))
    page.locator("#records-here input[type=file]").first.set_input_files(delta / "bundle.tar.zst")
    for name in ("delta-changes", "delta-removed"):
        page.locator(f"[data-list={name}] button", has_text="Show all").click()
    page.wait_for_selector("#delta-changes tbody tr")
    assert page.get_attribute("#delta-changes-grid", "aria-rowcount") == str(len(CHANGES) + 1)
    page.select_option("#delta-changes select[aria-label=Change]", label="changed (1)")
    assert "<img src=x onerror=alert(1)>\\u{202e}" in str(page.text_content("#delta-changes tbody"))
    page.wait_for_selector("[data-list=delta-removed] >> text=None.")
    page.locator("#trivy button", has_text="Show all").click()
    page.wait_for_selector("#trivy-unexpressed tbody tr")
    assert page.get_attribute("#trivy-unexpressed-grid", "aria-rowcount") == "53"
    assert page.text_content("#trivy-unexpressed output") == "52 of 90 entries"
    with page.expect_download() as waiting:
        page.locator("#trivy-unexpressed .exports").get_by_text("JSON").click()
    assert waiting.value.suggested_filename == "trivy-unexpressed-filtered-52-of-90.json"
    assert "38 are counted and not named" in json.loads(Path(waiting.value.path()).read_text())["filter"]
    page.reload()
    page.locator("#records-here input[type=file]").first.set_input_files(delta / "bundle.tar.zst")
    page.wait_for_selector("#delta-changes tbody tr")
    assert page.get_attribute("#delta-changes-grid", "aria-rowcount") == "2"
    assert page.complaints == []


def test_another_bundle_is_not_taken_for_the_pages_own(browser: Any, delta: Path, many: Path) -> None:
    page = shown(browser, many)
    page.locator("#records-here input[type=file]").first.set_input_files(delta / "bundle.tar.zst")
    page.wait_for_selector("#records-here [role=alert]:not(:empty)")
    assert "another bundle" in str(page.text_content("#records-here [role=alert]"))


@pytest.fixture(scope="module")
def kept_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of an encrypted bundle in a site, which was sent to some targets."""
    folder = tmp_path_factory.mktemp("site")
    encryption = Encryption(mode="age", recipients=["age1" + "q" * 58], strict=False)
    facts = dataclasses.replace(friendly_facts(), encryption=encryption)
    receipts = tuple(
        Receipt(type="oci", location=f"registry.example/{'x' * 90}/{at}", state="failed") for at in range(9)
    )
    around = Around(sha256=digest(7), run="r.html", profile="p.html", receipts=receipts)
    place = BundlePlace(name="nightly", url="bundle.tar.zst", layout="tar.zst", bytes=9_000_000)
    layout = Layout(mode="static", page="bundle", title="Nightly", root="../../", bundle=place)
    page = in_site(manifest_of(facts), layout, around, key=(digest(6), "ed25519"))
    for path, data in {**site_files(), "bundles/nightly/index.html": page}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder / "bundles" / "nightly" / "index.html"


@pytest.fixture(params=["in a bundle", "in a site"])
def page_path(request: pytest.FixtureRequest, delta: Path, kept_page: Path) -> Path:
    return kept_page if request.param == "in a site" else delta / "bundle" / "index.html"


@pytest.mark.parametrize("width", [360, 1280])
def test_every_section_fits_every_screen(browser: Any, page_path: Path, width: int) -> None:
    page = shown(browser, page_path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_any_section(browser: Any, page_path: Path, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run `npm ci` in tests/web/node")
    page = shown(browser, page_path, color_scheme=scheme, bypass_csp=True)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({preload: false}).then((result) => result.violations)")
    assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}
