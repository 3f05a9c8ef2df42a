"""Bytes to value and minified JSON: what is kept, what is refused, and why."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.document import JSON, MAX_DEPTH, YAML, Parsed, Unreadable, parse
from evidence.yaml_core import MAX_ALIASED

KEPT = {
    "white space between tokens goes, nothing else": (b'{ "b" : [ 1 , 2 ] ,\r\n\t"a" : "x  y" }\n', '{"b":[1,2],"a":"x  y"}'),
    "number lexemes stay": (b"[9.0, 9, 1e-05, 0.00005, 1E+2, -0]", "[9.0,9,1e-05,0.00005,1E+2,-0]"),
    "integers beyond 2^53 stay": (b"[8040020210810210707]", "[8040020210810210707]"),
    "integers beyond Python's limit stay": (b"[" + b"7" * 5000 + b"]", "[" + "7" * 5000 + "]"),
    "string escapes stay": (rb'["\ud83d\ude00", "\u0000", "\/"]', r'["\ud83d\ude00","\u0000","\/"]'),
    "text that is not NFC stays": ('["e\u0301"]'.encode(), '["e\u0301"]'),
    "bidi and zero-width characters stay": ('["\u202e\u200b"]'.encode(), '["\u202e\u200b"]'),
    "a byte order mark goes": (b"\xef\xbb\xbf{}", "{}"),
    "much white space before the document goes": (b" \n" * 5000 + b"{}", "{}"),
    "a scalar is a document": (b"null\n", "null"),
    "brackets in strings are no depth": (rb'["\\", "\"' + b"[{" * 300 + b'"]', r'["\\","\"' + "[{" * 300 + '"]'),
    "a document as deep as allowed": (b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH, "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH),
}  # fmt: skip

YAML_KEPT = {
    "yes and no are texts": (b"a: yes\nb: no\nc: on", {"a": "yes", "b": "no", "c": "on"}),
    "dates are texts": (b"modified: 2024-01-02T03:04:05Z\nday: 2024-01-02", '{"modified":"2024-01-02T03:04:05Z","day":"2024-01-02"}'),
    "a number keeps its text": (b"a: 1.10\nb: -3\nc: 1e-05", '{"a":1.10,"b":-3,"c":1e-05}'),
    "numbers that JSON spells otherwise": (b"a: +1\nb: 007\nc: .5\nd: 1.\ne: 0x1F\nf: 0o17\ng: -.5e3", '{"a":1,"b":7,"c":0.5,"d":1,"e":31,"f":15,"g":-0.5e3}'),
    "YAML 1.1 numbers are texts": (b"a: 1_000\nb: 1:30\nc: 0b11", '{"a":"1_000","b":"1:30","c":"0b11"}'),
    "marks that look like numbers are texts": (b"a: .\nb: +\nc: -e5\nd: 1.2.3", '{"a":".","b":"+","c":"-e5","d":"1.2.3"}'),
    "nothing is null": (b"a: ~\nb:\nc: null\nd: Null", '{"a":null,"b":null,"c":null,"d":null}'),
    "quoted scalars are texts": (b"a: '1'\nb: \"true\"", '{"a":"1","b":"true"}'),
    "keys are texts": (b"1: a\ntrue: b\nnull: c", '{"1":"a","true":"b","null":"c"}'),
    "CRLF line ends": (b"a: 1\r\nb:\r\n- x\r\n", '{"a":1,"b":["x"]}'),
    "folded and literal blocks": (b"a: >-\n  x\n  y\nb: |\n  x\n  y\n", '{"a":"x y","b":"x\\ny\\n"}'),
    "aliases are copied": (b"a: &x {k: [1]}\nb: *x", '{"a":{"k":[1]},"b":{"k":[1]}}'),
    "an alias of a scalar": (b"a: &x 1.0\nb: *x", '{"a":1.0,"b":1.0}'),
    "order of keys stays": (b"z: 1\na: 2", '{"z":1,"a":2}'),
    "comments go": (b"# what\n\na: 1 # why\n", '{"a":1}'),
}  # fmt: skip

_BOMB = b"a: &a [" + b"x" * 1000 + b"]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b", ".join([b"*%c" % (letter - 1)] * 9)) for letter in range(ord("b"), ord("k"))
)  # fmt: skip

REFUSED = {
    "0 bytes": (b"", "the document is empty"),
    "only white space": (b" \n\t\n", "the document holds only white space"),
    "only a byte order mark": (b"\xef\xbb\xbf", "only white space"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "encoded as UTF-16"),
    "UTF-16 without a mark": ('{"a":1}'.encode("utf-16-le"), "encoded as UTF-16-LE"),
    "UTF-32": ('{"a":1}'.encode("utf-32"), "encoded as UTF-32"),
    "bytes that are not UTF-8": (b'["\xff"]', "not UTF-8: invalid start byte at byte 2"),
    "half a surrogate pair": (rb'["\ud800"]', "half of a surrogate pair"),
    "half a surrogate pair in a key": (rb'{"\uDFFF":1}', "half of a surrogate pair"),
    "NaN": (b"[NaN]", "NaN is no JSON number"),
    "Infinity": (b"[-Infinity]", "-Infinity is no JSON number"),
    "trailing garbage": (b"{}\n}", "not JSON: Extra data: line 2"),
    "a wrong escape": (rb'["\_"]', "not JSON: Invalid \\escape"),
    "a raw control character": (b'["\t"]', "not JSON: Invalid control character"),
    "JSON lines in one document": (b'{"a":1}\n{"a":2}\n', "not JSON: Extra data: line 2"),
    "a key twice": (b'{"a":1,"b":2,"a":3}', 'the key "a" occurs twice'),
    "a key twice, spelled differently": (rb'{"a":1,"\u0061":3}', 'the key "a" occurs twice'),
    "too deep among strings that look deep": (rb'["\\", "\"]]]]", "]]' + b"]" * 300 + b'", ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"]", "nested deeper than 200 levels"),
    "too deep": (b"[" * (MAX_DEPTH + 2) + b"1" + b"]" * (MAX_DEPTH + 2), "nested deeper than 200 levels"),
    "far too deep": (b"[" * 100_000, "nested deeper than 200 levels"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 1\n", "a Git LFS pointer"),
    "CycloneDX in XML": (b'<?xml version="1.0"?>\n<bom xmlns="http://cyclonedx.org/schema/bom/1.5"/>', "CycloneDX in XML"),
    "other XML": (b"<a/>", "XML: only JSON and YAML"),
    "HTML": (b"<!DOCTYPE html><html></html>", "an HTML page"),
    "SPDX tag-value": (b"# c\nSPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "SPDX in tag-value form"),
    "gzip": (b"\x1f\x8b\x08\x00abc", "compressed data"),
    "binary": (b"abcdefgh\x00\x01", "binary data"),
    "binary that starts with zeros": (b"\x00\x00\x00\x00\x04\x00\x00\x00", "binary data"),
    "Markdown": (b"# Title\n\nSome words.\n", 'starts with "Some words."'),
    "a licence": (b"                Apache License\n", 'starts with "Apache License"'),
    "YAML with a tag": (b"a: !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system in line 1"),
    "YAML with a merge key": (b"a: &x {k: 1}\nb:\n  <<: *x\n", "the merge key << in line 3"),
    "YAML with a key twice": (b"a: 1\na: 2\n", 'the key "a" occurs twice'),
    "YAML with two documents": (b"a: 1\n---\nb: 2\n", "several YAML documents"),
    "YAML with a list as a key": (b"a: 1\n? [x]\n: 2\n", "a key in line 2 is a mapping or a list"),
    "YAML with an alias as a key": (b"a: &x k\n*x : 2\n", "the alias *x is used as a key"),
    "YAML with an alias inside itself": (b"a: &x [*x]", "the alias *x stands before or inside"),
    "YAML with an unknown alias": (b"a: *x", "alias"),
    "YAML with an infinity": (b"a: .inf", "the number .inf has no form in JSON"),
    "YAML alias bomb": (_BOMB, f"more than {MAX_ALIASED:,} characters"),
    "YAML too deep": (b"a: " + b"[" * 300, "nested deeper than 200 levels"),
    "YAML too deep through aliases": (b"a: &a " + b"[" * 150 + b"1" + b"]" * 150 + b"\nb: " + b"[" * 150 + b"*a" + b"]" * 150, "nested deeper"),
    "broken YAML": (b"a: [1\nb: 2", "neither JSON nor YAML"),
    "YAML with a huge hexadecimal": (b"a: 0x" + b"f" * 4000, "longer than 1,000 digits"),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_json_is_kept(case: str) -> None:
    document, minified = KEPT[case]

    parsed = parse(document)

    assert isinstance(parsed, Parsed)
    assert (parsed.minified.decode(), parsed.media_type) == (minified, JSON)


@pytest.mark.parametrize("case", YAML_KEPT)
def test_yaml_becomes_json(case: str) -> None:
    document, expected = YAML_KEPT[case]

    parsed = parse(document)

    assert isinstance(parsed, Parsed), parsed
    assert parsed.media_type == YAML
    assert (parsed.minified.decode() if isinstance(expected, str) else json.loads(parsed.minified)) == expected


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_is_refused_with_its_reason(case: str) -> None:
    document, reason = REFUSED[case]

    refused = parse(document)

    assert isinstance(refused, Unreadable), refused
    assert reason in refused.reason


def test_numbers_of_yaml_are_texts_to_look_at() -> None:
    parsed = parse(b"introduced: 1.10")

    assert isinstance(parsed, Parsed)
    assert parsed.value == {"introduced": "1.10"}


def test_a_deep_document_takes_memory_by_its_size_and_not_by_its_depth() -> None:
    deep = b"[" * (MAX_DEPTH - 10)
    document = deep + b"[1]," * 100 + b"0," * 100_000 + b"0" + b"]" * len(deep)
    tracemalloc.start()
    try:
        parsed = parse(document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(parsed, Parsed)
    assert peak < 20 * len(document)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_minified_json_means_the_same(value: Any, indent: Any, ascii_only: bool) -> None:
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()

    parsed = parse(document)

    assert isinstance(parsed, Parsed)
    assert parsed.value == value
    assert parsed.minified.decode() == json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


@given(st.binary() | st.text(alphabet="ab01:-&*!<{}[]\",'|>%#? \n", max_size=60).map(str.encode))
def test_no_bytes_make_it_raise(document: bytes) -> None:
    assert isinstance(parse(document), Parsed | Unreadable)
