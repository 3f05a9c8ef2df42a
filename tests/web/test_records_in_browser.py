"""Searching, browsing and reading the records of a real bundle in a real browser, opened from a file."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.counterpart

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
OTHER = ROOT / "docs" / "example" / "bundle.tar.zst"
DONE = "() => /read\\.|Stopped/.test(document.querySelector('.reading [role=status]').textContent) && \
  !document.querySelector('.reading [role=status]').textContent.startsWith('Reading')"
SIDEWAYS = "document.documentElement.scrollWidth"


class Exported(NamedTuple):
    """A bundle of the sample evidence: its page, lying in the folder it was extracted to, and its archive."""

    page: Path
    archive: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, untraced: dict[str, str]) -> Exported:
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "cli", "quickstart", "--format", "json"]
    environment = {**untraced, "EXPORT_CENTER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=home)
    assert done.returncode == 0, done.stderr
    (page,) = home.glob("view/*/index.html")
    (archive,) = home.glob("bundles/*.tar.zst")
    return Exported(page, archive)


@contextmanager
def showing(
    browser: Any, exported: Exported, fragment: str = "", *, drop: bool = True, width: int = 1280, **context: Any
) -> Iterator[Any]:
    """Open the bundle's page, choose its archive, and at the end demand silence and no network."""
    opened = browser.new_context(viewport={"width": width, "height": 900}, **context)
    page = opened.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or said.append(request.url))
    page.goto(exported.page.as_uri() + fragment)
    if drop:
        choose(page, exported.archive)
        page.wait_for_selector("#search")
    yield page
    opened.close()
    assert said == []


def choose(page: Any, path: Path) -> None:
    page.locator("#records-here input[type=file]").first.set_input_files(path)


def search(page: Any, query: str) -> str:
    """Search, and return what is said of it when it has ended."""
    page.fill("#search", query)
    page.press("#search", "Enter")
    page.wait_for_function(DONE)
    return str(page.inner_text(".reading [role=status]"))


def ids(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("#found tbody th").all_text_contents()]


def test_a_page_opened_from_a_file_asks_for_the_bundle_and_takes_no_other(browser: Any, exported: Exported) -> None:
    with showing(browser, exported, "#record=RUSTSEC-2020-0015", drop=False) as page:
        here = page.locator("#records-here")
        assert "drop it here" in here.inner_text()
        assert "the record RUSTSEC-2020-0015 opens" in here.inner_text()
        choose(page, OTHER)
        page.wait_for_selector("#records-here .wrong:not(:empty)")
        assert "another bundle" in page.locator("#records-here [role=alert]").inner_text()
        choose(page, exported.archive)
        page.wait_for_selector(".record")
        assert page.inner_text(".record h3") == "Crash causing Denial of Service attack"


def test_records_are_found_by_alias_purl_package_and_words_and_the_address_keeps_it(
    browser: Any, exported: Exported
) -> None:
    with showing(browser, exported) as page:
        assert search(page, "CVE-2020-1967").startswith("1 record ")
        assert ids(page) == ["RUSTSEC-2020-0015"]
        assert search(page, "pkg:cargo/openssl-src").endswith(" read.")
        assert "RUSTSEC-2020-0015" in ids(page)
        search(page, "crash denial OPENSSL-src")
        assert ids(page) == ["RUSTSEC-2020-0015"]
        assert page.url.endswith("#q=crash+denial+OPENSSL-src")
        page.go_back()
        page.wait_for_function("() => document.getElementById('search').value === 'pkg:cargo/openssl-src'")


def test_what_is_part_of_a_word_is_found_by_reading_everything_after_saying_what_that_costs(
    browser: Any, exported: Exported
) -> None:
    with showing(browser, exported) as page:
        assert search(page, "penss").startswith("No record has these words, by the bundle's index; ")
        assert "MB in" in page.inner_text(".reading small")
        page.get_by_role("button", name="Look inside of words too").click()
        page.wait_for_function("() => /^[1-9]/.test(document.querySelector('.reading [role=status]').textContent)")
        page.wait_for_function(DONE)
        assert "RUSTSEC-2020-0015" in ids(page)
        assert "all=1" in page.url


def test_a_record_opens_with_the_keyboard_and_its_address_opens_it_again(browser: Any, exported: Exported) -> None:
    with showing(browser, exported) as page:
        search(page, "pkg:cargo/openssl-src")
        first = ids(page)[0]
        page.focus("#found-grid")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".record")
        assert page.inner_text(".record .identity .id") == first
        assert page.evaluate("document.activeElement.closest('.record') !== null")
        assert page.title().startswith(f"{first} · ")
        fragment = "#" + page.url.partition("#")[2]
        page.get_by_role("button", name="Close", exact=True).click()
        assert page.locator(".record").count() == 0
        assert page.evaluate("document.activeElement.id") == "found-grid"
        assert not page.title().startswith(first)
    with showing(browser, exported, fragment) as page:
        page.wait_for_selector(".record")
        assert page.inner_text(".record .identity .id") == first
        assert page.input_value("#search") == "pkg:cargo/openssl-src"


def test_the_document_beside_a_record_is_kept_byte_for_byte_and_every_lexeme_is_shown(
    browser: Any, exported: Exported, counterpart: Callable[[str], str]
) -> None:
    path = exported.page.parent / "data" / "vex.jsonl.zst"
    plain = subprocess.run([counterpart("zstd"), "-dcq", path], capture_output=True, check=True).stdout
    line = next(line for line in plain.splitlines() if b'"csaf-vex/' in line and b'"known_affected":["' in line)
    record = json.loads(line)
    with showing(browser, exported, f"#record={record['id']}&o={record['observationId'][:12]}") as page:
        page.wait_for_selector(".record")
        page.get_by_role("button", name="Open all").click()
        with page.expect_download() as kept:
            page.get_by_role("button", name="Download").click()
        document = Path(kept.value.path()).read_bytes()
        assert line.startswith(b'{"content":' + document + b",")
        for score in ("baseScore", "vectorString"):
            assert page.locator(".json .key", has_text=score).count() == document.count(f'"{score}":'.encode())
        assert page.locator(".status.fixed, .status.affected, .status.not-affected, .status.open").count() > 0
        assert record["sha256"] in page.inner_text(".record")
        assert f"--id {record['id']}" in page.inner_text(".record")


def test_an_id_or_an_observation_that_is_not_there_is_said(browser: Any, exported: Exported) -> None:
    with showing(browser, exported, "#record=CVE-1999-0001") as page:
        page.wait_for_selector(".opened .wrong")
        assert "no record with the id CVE-1999-0001" in page.inner_text(".opened [role=alert]")
        page.evaluate("location.hash = '#record=RUSTSEC-2020-0015&o=000000000000'")
        page.wait_for_function(
            "() => /is the observation 000000000000/.test(document.querySelector('.opened').textContent)"
        )
        for place in ("export.json:0", "data/sboms.jsonl.zst:99", "nowhere"):
            page.evaluate(f"location.hash = '#browse={place}'")
            page.wait_for_selector(".reading .wrong")
            # It is the address that is wrong: nothing is said of the bundle.
            assert "Do not use it" not in page.inner_text(".reading")
            assert page.get_by_role("button", name="Next frame").count() == 0
            page.evaluate("location.hash = '#'")
            page.wait_for_selector(".reading .wrong", state="detached")


def test_related_records_are_looked_for_when_asked(browser: Any, exported: Exported) -> None:
    with showing(browser, exported, "#record=RUSTSEC-2020-0015") as page:
        page.wait_for_selector(".record")
        assert page.locator(".related li").count() == 0
        page.locator(".related summary").click()
        page.wait_for_function(
            "() => /other record/.test(document.querySelector('.related .note:last-child')?.textContent)"
        )
        found = page.locator(".related .hits .id").all_text_contents()
        assert "RUSTSEC-2021-0056" in found
        assert "RUSTSEC-2020-0015" not in found
        page.locator(".related a", has_text="RUSTSEC-2021-0056").click()
        page.wait_for_function("() => document.querySelector('.record .id')?.textContent === 'RUSTSEC-2021-0056'")


def test_records_are_browsed_frame_by_frame_and_kept_as_csv(browser: Any, exported: Exported) -> None:
    with showing(browser, exported) as page:
        page.get_by_role("button", name="sboms (").click()
        page.wait_for_function("() => /frame 1 of/.test(document.querySelector('.reading').textContent)")
        first = ids(page)
        with page.expect_download() as kept:
            page.locator("#found").get_by_role("button", name="CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(kept.value.path()).read_text(), newline="")))
        assert kept.value.suggested_filename == f"found-all-{len(rows)}.csv"
        assert [row["id"] for row in rows][: len(first)] == first
        page.get_by_role("button", name="Next frame").click()
        page.wait_for_function("() => /frame 2 of/.test(document.querySelector('.reading').textContent)")
        assert ids(page) != first


HOSTILE = {
    "id": "<img src=x onerror=alert(1)>\u202e",
    "summary": "\u202egnp.exe\u0000<script>alert(1)</script>",
    "details": "a\u2066b",
    "aliases": ["javascript:alert(1)", "#record=x", "a&record=b"],
    "references": [
        {"type": "WEB", "url": "javascript:alert(1)"},
        {"type": "WEB", "url": "data:text/html,<script>alert(1)</script>"},
        {"type": "WEB", "url": "https://example.com/\u202e"},
    ],
    "affected": [
        {"package": {"name": "x" * 3000, "ecosystem": "__proto__"}, "versions": [f"1.{n}" for n in range(999)]}
    ],
}
SHOW = """(content) => {
  const id = content.id;
  const record = { content, format: "osv/1.6.0", id, kind: "advisory", source: "s", locator: "../l", observationId: "o" };
  document.getElementById("records-here").replaceChildren(ExportCenter.record.view({ record }, { file: "$(rm -rf) '.zst" }));
}"""


def test_whatever_a_record_says_is_text_and_leads_nowhere_but_to_the_web(browser: Any, exported: Exported) -> None:
    with showing(browser, exported, drop=False, width=360) as page:
        page.evaluate(SHOW, HOSTILE)
        assert page.inner_text(".record h3") == "\\u{202e}gnp.exe\\u{0}<script>alert(1)</script>"
        links = page.locator(".record a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        outside = [link for link in links if not link.startswith("#q=")]
        assert outside == ["https://example.com/\u202e"]
        assert page.get_attribute(".record a[href^=https]", "rel") == "noreferrer noopener"
        assert page.evaluate("ExportCenter.state.parse(ExportCenter.state.format('', {q: 'a&record=b'})).state.q") == (
            "a&record=b"
        )
        assert page.locator(".record img, .record script").count() == 0
        assert "No command: a terminal would act on characters in the id" in page.inner_text(".record")
        assert page.evaluate(SIDEWAYS) <= 360


HUGE = """() => {
  const { record, raw, dom, found } = ExportCenter;
  const place = document.getElementById("records-here");
  const title = "A ".repeat(500_000);
  const aliases = Array.from({ length: 150_000 }, (_, at) => `CVE-${at}`);
  const content = { summary: title, aliases, references: [{ url: title, type: title }], database_specific: { severity: title, license: title } };
  const long = { content, format: "osv/1.6.0", id: title, kind: title, source: title, locator: title, observationId: title };
  const table = new found.Found(place, () => {});
  table.rows.push(found.row({ record: long, id: title, member: "m", frame: 0, offset: 0 }));
  table.draw();
  const deep = dom.h("div", { id: "deep" }, raw.tree("[".repeat(3000) + "]".repeat(3000)));
  place.replaceChildren(table.table.element, record.view({ record: long }), deep);
  return [record.told, (text) => dom.h("p", {}, dom.brief(text))].map((show) => show(title).textContent.length);
}"""
UNFOLD = """() => {
  const closed = () => document.querySelectorAll("#deep details:not([open])");
  closed().forEach((one) => (one.open = true));
  return new Promise((done) => setTimeout(() => done(closed().length)));
}"""


def test_a_document_of_any_length_or_depth_is_shown_in_parts(browser: Any, exported: Exported) -> None:
    with showing(browser, exported, drop=False) as page:
        assert max(page.evaluate(HUGE)) < 1000
        shown = page.inner_text("#records-here .record")
        assert len(shown) < 20_000
        assert (
            max(page.locator("#records-here *").evaluate_all("all => all.map((one) => (one.title ?? '').length)")) < 600
        )
        assert page.locator("#found td").first.inner_text().count("A") < 300
        opened = page.locator("#deep details").count()
        assert 50 < opened <= 101
        for _ in range(210):
            if page.evaluate(UNFOLD) == 0:
                break
        assert opened < page.locator("#deep details").count() <= 201
        assert page.locator("#deep li:not(:has(li)) > span").inner_text().startswith("[[[[")
        page.locator(".terms + details summary").click()
        terms = page.locator(".terms + details .terms > li")
        terms.nth(99).wait_for()
        assert terms.last.inner_text() == "149\u202f892 more are not shown. Show 100 more"
        terms.last.get_by_role("button").click()
        assert terms.count() == 201
        assert terms.nth(199).inner_text() == "CVE-207"


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_results_and_records_fit_and_axe_finds_nothing(
    browser: Any, exported: Exported, width: int, scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run `npm ci` in tests/web/node")
    with showing(browser, exported, width=width, color_scheme=scheme, bypass_csp=True) as page:
        search(page, "openssl")
        page.add_script_tag(path=AXE)
        for fragment in ("", "record=RUSTSEC-2020-0015"):
            if fragment:
                page.evaluate(f"location.hash += '&{fragment}'")
                page.wait_for_selector(".record")
            assert page.evaluate(SIDEWAYS) <= width
            found = page.evaluate("axe.run('#records', {preload: false}).then((result) => result.violations)")
            assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}
