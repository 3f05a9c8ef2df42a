"""The viewer's own tools, run without a page: figures, tables' rows, state in the address, JSON as text."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from web import figures

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.counterpart

TEXTS = [
    "plain",
    "a\u202eb",
    "\u0000",
    "\U000e0041tag",
    "\u00ad",
    "é",
    "\ud83d\ude00 smile",
    "line\nbreak",
    "x" * 200,
    "a\U0001f600" * 99,
]
COUNTS = [0, 1, 9, 999, 1000, 1049, 1050, 999_949, 999_950, 1_234_567, 999_999_999, 10**12 + 50_000_000, 10**15]


def test_numbers_and_foreign_texts_look_as_they_do_in_rendered_pages(in_node: Callable[..., Any]) -> None:
    shown = in_node(
        """
        const { number, size, visible, shorten } = ExportCenter.figures;
        return {
          number: input.counts.map(number), size: input.counts.map(size), visible: input.texts.map(visible),
          shorten: [2, 3, 10, 11].flatMap((length) => input.texts.map((text) => shorten(text, length))),
        };
        """,
        {"counts": COUNTS, "texts": TEXTS},
    )
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16") for text in TEXTS]
    assert shown == {
        "number": [figures.number(each) for each in COUNTS],
        "size": [figures.size(each) for each in COUNTS],
        "visible": [figures.visible(each) for each in texts],
        "shorten": [figures.shorten(each, length) for length in (2, 3, 10, 11) for each in texts],
    }


def test_times_are_shown_in_utc_and_what_is_no_time_as_it_is(in_node: Callable[..., Any]) -> None:
    times = ["2026-03-31T17:42:05.120Z", "2026-03-31T17:42:05+02:00", "2026-03-31", "soon\u202e"]
    assert in_node("return input.map(ExportCenter.figures.utc)", times) == [
        "2026-03-31 17:42:05 UTC",
        "2026-03-31 15:42:05 UTC",
        "2026-03-31",
        "soon\\u{202e}",
    ]


ROWS = [
    {"id": "CVE-2", "kind": "vex", "size": 10},
    {"id": "CVE-10", "kind": "advisory", "size": 9},
    {"id": '=HYPERLINK("x")', "kind": "", "size": None},
    {"id": "-1, +1\n@x", "kind": "vex", "size": -3},
]
COLUMNS = [
    {"key": "id", "title": "Id"},
    {"key": "kind", "title": "Kind", "facet": True},
    {"key": "size", "title": "Size"},
]


def rows(in_node: Callable[..., Any], program: str, **more: Any) -> Any:
    return in_node(f"const {{ rows, columns, more }} = input; const R = ExportCenter.rows; {program}", {
        "rows": ROWS, "columns": COLUMNS, "more": more,
    })  # fmt: skip


def test_rows_are_filtered_by_every_word_and_facet_and_sorted_with_what_is_missing_last(
    in_node: Callable[..., Any],
) -> None:
    found = rows(
        in_node,
        """
        const ids = (found) => found.map((row) => row.id);
        return {
          words: ids(R.filter(rows, columns, { words: " cve  VEX " })),
          facet: ids(R.filter(rows, columns, { words: "", facets: { kind: "" } })),
          text: ids(R.sort(rows, columns[0], false)).slice(2),
          up: R.sort(rows, columns[2], false).map((row) => row.size),
          down: R.sort(rows, columns[2], true).map((row) => row.size),
          counts: R.counts(rows, columns[1]),
        };
        """,
    )
    assert found == {
        "words": ["CVE-2"],
        "facet": ['=HYPERLINK("x")'],
        "text": ["CVE-2", "CVE-10"],
        "up": [-3, 9, 10, None],
        "down": [10, 9, -3, None],
        "counts": [["vex", 2], ["", 1], ["advisory", 1]],
    }


def test_exports_say_what_a_filter_left_out_and_no_cell_is_a_formula(in_node: Callable[..., Any]) -> None:
    found = rows(
        in_node,
        """
        const query = { words: "x", facets: { kind: "vex" } };
        const note = R.said(query, columns, 1, 4);
        return {
          note, whole: R.said({ words: " ", facets: {} }, columns, 4, 4),
          csv: R.csv(rows, columns, note), json: JSON.parse(R.json(rows, columns, "", 4)),
          names: [R.fileName("runs", note, 1, 4, "csv"), R.fileName("runs", "", 4, 4, "json")],
        };
        """,
    )
    lines = list(csv.reader(io.StringIO(found["csv"], newline="")))
    assert lines[0] == ["# filtered: 1 of 4 rows; words: x; Kind: vex"]
    assert lines[1] == ["id", "kind", "size"]
    assert [line[0] for line in lines[2:]] == ["CVE-2", "CVE-10", '\'=HYPERLINK("x")', "'-1, +1\n@x"]
    assert lines[5][2] == "-3"
    assert found["whole"] == ""
    assert found["json"] == {"filter": None, "shown": 4, "total": 4, "rows": ROWS}
    assert found["names"] == ["runs-filtered-1-of-4.csv", "runs-all-4.json"]


def test_a_state_survives_the_address_and_equal_states_have_equal_addresses(in_node: Callable[..., Any]) -> None:
    state = {"q": "pkg:npm/%40a/b@1?x=y#z", "record": "CVE 1 & 2", "a.sort": "-é"}
    found = in_node(
        """
        const { format, parse } = ExportCenter.state;
        const turned = Object.fromEntries(Object.entries(input).reverse());
        return { once: parse(format("members", input)), same: format("", input) === format("", turned),
                 place: parse("#records"), bad: parse("#%E0%A4%A&q=1"), none: format("", {}) };
        """,
        state,
    )
    assert found["once"] == {"anchor": "members", "state": state}
    assert found["same"] is True
    assert found["place"] == {"anchor": "records", "state": {}}
    assert found["bad"] == {"anchor": "%E0%A4%A", "state": {"q": "1"}}
    assert found["none"] == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=30, max_size=60))
def test_indented_json_is_the_same_document(in_node: Callable[..., Any], values: list[Any]) -> None:
    texts = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
    indented, spelled = in_node(
        "const J = ExportCenter.json; return [input.map((text) => J.pretty(text)), input.map((text) => J.parse(text))]",
        texts,
    )
    assert [json.loads(text) for text in indented] == values
    assert spelled == values


def test_numbers_and_strings_stay_spelled_as_they_were(in_node: Callable[..., Any]) -> None:
    text = r'{"a":[9.0,1E400,-0,12345678901234567890],"\u0061b":"caf\u00e9 \"}]","c":{},"content":{"n":1.10}}'
    found = in_node(
        """
        const J = ExportCenter.json;
        const span = J.find(input, "content");
        return { pretty: J.pretty(input), content: input.slice(span.start, span.end),
                 shown: String(J.parse(input).content.n), kind: J.children(input, J.valueAt(input, 0)).map((one) => one.kind) };
        """,
        text,
    )
    for lexeme in ("9.0", "1E400", "-0", "12345678901234567890", r'"caf\u00e9 \"}]"', r'"\u0061b":', "1.10"):
        assert lexeme in found["pretty"]
    assert found["content"] == '{"n":1.10}'
    assert found["shown"] == "1.10"
    assert found["kind"] == ["array", "string", "object", "object"]


MARKED = r'{"\u0000number:7.5" : "\u0000number:7.5","a":["\u0000text:x","\u0000","\u0000number:1"],"n":7.50}'


def test_no_string_of_a_document_is_taken_for_a_number(in_node: Callable[..., Any]) -> None:
    found = in_node(
        """
        const { parse, Lexeme } = ExportCenter.json;
        const read = parse(input);
        return { read: parse(input), strings: Object.values(read).flat().filter((one) => !(one instanceof Lexeme)).length,
                 title: ExportCenter.facts.text(read, "\\u0000number:7.5"), number: String(read.n) };
        """,
        MARKED,
    )
    assert found == {"read": json.loads(MARKED), "strings": 4, "title": "\0number:7.5", "number": "7.50"}


COMMANDS = {
    "a name and an id as they are": (["CVE-1", "b.tar.zst"], "export-center bundle cat b.tar.zst --id CVE-1"),
    "quotes around what a shell would read": (
        ["a b", "$(rm) '.zst"],
        "export-center bundle cat '$(rm) '\\''.zst' --id 'a b'",
    ),
    "no end of a line": (["x\n", "b"], ""),
    "no end of text, which a terminal acts on before a shell sees it": (["x\u0003id", "b"], ""),
    "no end of what is pasted": (["x\u001b[201~id", "b"], ""),
    "no such characters in a name": (["x", "b\u001b"], ""),
}


def test_a_command_to_copy_has(in_node: Callable[..., Any]) -> None:
    said = in_node("return input.map(([id, file]) => ExportCenter.record.command(id, file))", [
        told for told, _ in COMMANDS.values()
    ])  # fmt: skip
    assert dict(zip(COMMANDS, said, strict=True)) == {case: line for case, (_, line) in COMMANDS.items()}
