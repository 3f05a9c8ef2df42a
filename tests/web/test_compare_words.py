"""What a comparison says of a record that changed, without a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.counterpart

PROGRAM = """
  const { changes, text } = ExportCenter.compareWords;
  const listed = ([a, b]) => [...changes(...[a, b].map(ExportCenter.json.parse))].map((one) =>
    [one.path, ...[one.a, one.b].map((value) => (value === undefined ? null : text(value)))]);
  return input.map(listed);
"""
CASES = {
    "a field with the name of what every object has": ('{"a":1}', '{"a":1,"constructor":2}', [["constructor", None, "2"]]),
    "a field that would be a prototype": ('{"__proto__":{"x":1}}', "{}", [["__proto__", '{"x":1}', None]]),
    "a number that is spelled otherwise": ('{"s":9.0}', '{"s":9}', [["s", "9.0", "9"]]),
    "numbers beyond those that scripts can tell apart": (
        "[9007199254740992]", "[9007199254740993]", [["[0]", "9007199254740992", "9007199254740993"]],
    ),
    "digits inside of what is new": ("{}", '{"a":{"b":[1.10,"1.10",null]}}', [["a", None, '{"b":[1.10,"1.10",null]}']]),
    "a number that became a text": ('{"a":1}', '{"a":"1"}', [["a", "1", "1"]]),
    "only the order of fields": ('{"a":1,"b":[{"c":1,"d":2}]}', '{"b":[{"d":2,"c":1}],"a":1}', []),
    "what is between equal ends of a list": ("[1,2,3]", "[1,4,5,3]", [["[1]", "2", None], ["[1]", None, "4"], ["[2]", None, "5"]]),
}  # fmt: skip


def test_changes_of_a_record_name_every_field_with_the_digits_it_was_written_with(in_node: Callable[..., Any]) -> None:
    found = in_node(PROGRAM, [[a, b] for a, b, _ in CASES.values()], ("site/compare_words.js",))
    assert dict(zip(CASES, found, strict=True)) == {sentence: expected for sentence, (_, _, expected) in CASES.items()}
