"""Tables of many rows in a real browser: what is in the page, the keyboard, the address, export, paper."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import friendly_facts
from web.bundle_page import render

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.counterpart

ROWS = 20_000
TABLE = """
(async () => {
  const rows = Array.from({ length: 20000 }, (_, place) => ({
    id: `CVE-2024-${place}`, kind: ["advisory", "vex", "sbom"][place % 3], bytes: (place * 7919) % 1000003, note: "=1+" + place,
  }));
  const table = ExportCenter.table.create({
    id: "many", caption: "Many", unit: "records", rows, onopen: (row) => (document.body.dataset.opened = row.id),
    columns: [
      { key: "id", title: "Id", primary: true }, { key: "kind", title: "Kind", facet: true, width: "7rem" },
      { key: "bytes", title: "Size", number: true, text: (row) => ExportCenter.dom.size(row.bytes), descending: true },
      { key: "note", title: "Note", wide: true }, { key: "hidden", title: "Hidden", hidden: true, value: () => "kept" },
    ],
  });
  document.getElementById("records-here").replaceChildren(table.element);
  globalThis.many = table;
})()
"""
ACTIVE = """() => {
  const row = document.getElementById(document.getElementById("many-grid").getAttribute("aria-activedescendant"));
  const [box, view] = [row.getBoundingClientRect(), document.querySelector("#many .window").getBoundingClientRect()];
  const head = document.querySelector("#many thead").getBoundingClientRect();
  return [row.getAttribute("aria-rowindex"), box.top >= head.bottom - 1 && box.bottom <= view.bottom + 1];
}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    for name, data in render(friendly_facts()).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return (folder / "index.html").as_uri()


@contextmanager
def showing(browser: Any, place: str, fragment: str = "", width: int = 1280) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(place + fragment)
    page.evaluate(TABLE)
    yield page
    context.close()
    assert said == []


def test_twenty_thousand_rows_are_some_dozens_in_the_page_and_the_keyboard_reaches_all(
    browser: Any, place: str
) -> None:
    with showing(browser, place) as page:
        assert page.get_attribute("#many-grid", "aria-rowcount") == str(ROWS + 1)
        page.focus("#many-grid")
        reached = []
        for key in ("End", "PageUp", "ArrowUp", "Home", "ArrowDown", "PageDown"):
            page.keyboard.press(key)
            index, in_sight = page.evaluate(ACTIVE)
            assert in_sight, key
            reached.append(int(index))
            assert page.locator("#many tbody tr").count() < 80
        end, up, above, home, down, further = reached
        assert (end, home, down) == (ROWS + 1, 2, 3)
        assert above == up - 1 < end - 1
        assert further > down + 1
        page.keyboard.press("Enter")
        assert page.get_attribute("body", "data-opened") == f"CVE-2024-{further - 2}"


def test_filter_facet_and_order_stand_in_the_address_and_come_back_from_it(browser: Any, place: str) -> None:
    with showing(browser, place) as page:
        page.fill("#many-words", "cve-2024-19")
        page.select_option("#many select", "vex")
        page.locator("#many thead").get_by_text("Size").click()
        shown = page.locator("#many tbody th").first.text_content()
        fragment = "#" + page.url.partition("#")[2]
        assert fragment == "#many.kind=vex&many.q=cve-2024-19&many.sort=-bytes"
        page.go_back()
        assert page.locator("#many thead [aria-sort]").count() == 0
    with showing(browser, place, fragment) as page:
        assert page.locator("#many tbody th").first.text_content() == shown
        assert page.locator("#many output").text_content() == "373 of 20\u202f000 records"
        page.press("#many-words", "Escape")
        assert page.locator("#many output").text_content() == "6\u202f667 of 20\u202f000 records"


SHARED = """
() => {
  globalThis.requestIdleCallback = (act) => act();
  const rows = Array.from({ length: 3000 }, (_, place) => ({ id: `run-${place}`, who: `user-${place}` }));
  const id = { key: "id", title: "Id", primary: true };
  const who = { key: "who", title: "Who", hidden: true, words: true };
  const made = [["without", [id]], ["with", [id, who]]].map(([name, columns]) =>
    ExportCenter.table.create({ id: name, caption: name, unit: "runs", rows, columns, state: false }).element);
  document.getElementById("records-here").replaceChildren(...made);
}
"""
"""Two tables of the same rows that read them at once, long before anything is typed: one has a hidden column."""


def test_words_of_hidden_columns_are_found_in_long_tables_and_other_tables_of_the_same_rows_keep_theirs(
    browser: Any, place: str
) -> None:
    with showing(browser, place) as page:
        page.evaluate(SHARED)
        page.fill("#with-words", "user-2950")
        page.fill("#without-words", "user-2950")
        assert page.locator("#with output").text_content() == "1 of 3\u202f000 runs"
        assert page.locator("#without output").text_content() == "0 of 3\u202f000 runs"


def test_what_is_exported_is_what_is_shown_and_says_what_is_not(browser: Any, place: str) -> None:
    with showing(browser, place, "#many.kind=vex&many.q=cve-2024-19&many.sort=-bytes") as page:
        files = {}
        for kind in ("CSV", "JSON"):
            with page.expect_download() as kept:
                page.locator("#many .exports").get_by_text(kind).click()
            files[kept.value.suggested_filename] = Path(kept.value.path()).read_text()
        lines = files["many-filtered-373-of-20000.csv"].splitlines()
        told = json.loads(files["many-filtered-373-of-20000.json"])
        note = "373 of 20000 rows; words: cve-2024-19; Kind: vex"
        assert lines[0] == f"# filtered: {note}"
        assert lines[1] == "id,kind,bytes,note,hidden"
        assert told["filter"] == note
        assert [line.partition(",")[0] for line in lines[2:]] == [row["id"] for row in told["rows"]]
        assert told["rows"] == sorted(told["rows"], key=lambda row: -row["bytes"])
        assert all("'=1+" in line for line in lines[2:])


def test_rows_that_come_later_keep_the_place_and_a_part_says_that_it_is_one(browser: Any, place: str) -> None:
    with showing(browser, place) as page:
        page.evaluate("() => { document.querySelector('#many .window').scrollTop = 4000; }")
        page.evaluate("() => many.setRows([...many.all, { id: 'last', kind: 'vex', bytes: 1, note: '' }])")
        assert page.evaluate("() => document.querySelector('#many .window').scrollTop") == 4000
        page.evaluate("() => { many.partial = 'stopped before the end'; many.setRows(many.all); }")
        with page.expect_download() as kept:
            page.locator("#many .exports").get_by_text("JSON").click()
        assert kept.value.suggested_filename == "many-filtered-20001-of-20001.json"
        assert json.loads(Path(kept.value.path()).read_text())["filter"] == "stopped before the end"


def test_on_paper_rows_stand_one_after_another_and_the_limit_is_said(browser: Any, place: str) -> None:
    with showing(browser, place) as page:
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#many tbody tr").count() == 2_000
        assert "first 2\u202f000 of 20\u202f000 records" in page.locator("#many .printed").text_content()
        page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert page.locator("#many tbody tr").count() < 80


def test_at_360_pixels_rows_are_cards_and_nothing_scrolls_sideways(browser: Any, place: str) -> None:
    with showing(browser, place, width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("#many tbody tr").first.bounding_box()["height"] > 60
        assert page.locator("#many tbody td.wide-only:visible").count() == 0
