"""Terms: what texts and package URLs are searched by, and which records a query means."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.terms import folded, parse_query, purl_without_version, term_hash, words

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)

PURLS = {
    "pkg:cargo/time": "pkg:cargo/time",
    "pkg:cargo/time@0.1.44": "pkg:cargo/time",
    "pkg:npm/%40angular/core@16.0.0?os=linux#src/a@b": "pkg:npm/%40angular/core",
    "pkg:npm/@angular/core": "pkg:npm/@angular/core",
    "pkg:npm/@angular": "pkg:npm/@angular",
    "pkg:npm/@angular/core@16.0.0": "pkg:npm/@angular/core",
    "pkg:deb/debian/curl@1:7.50.3-1?arch=i386&distro=a@b/c": "pkg:deb/debian/curl",
    "pkg:golang/example.com/a/v2#sub@1": "pkg:golang/example.com/a/v2",
    "pkg:a/b@1@2": "pkg:a/b@1",
    "": "",
    "@": "@",
}


def test_a_package_url_is_found_without_its_version_too() -> None:
    assert {purl: purl_without_version(purl) for purl in PURLS} == PURLS


WORDS = {
    "Denial of Service (DoS) in h2": ["denial", "of", "service", "dos", "in", "h2"],
    "C and C++ of a 1.x": ["and", "of"],
    "snake_case, kebab-case": ["snake", "case", "kebab", "case"],
    "Über 漢字 é": ["Über", "漢字"],
    "naïve İstanbul": ["naïve", "İstanbul"],
    "x\u0080 \u007fab \U0001f600\U0001f600": ["x\u0080", "ab", "\U0001f600\U0001f600"],
    "": [],
}


def test_words_are_runs_of_letters_and_digits() -> None:
    assert {text: words(text) for text in WORDS} == WORDS


@given(text=TEXT)
def test_only_the_letters_of_ascii_are_folded(text: str) -> None:
    assert folded(text) == "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)
    assert folded(folded(text)) == folded(text)


@given(text=TEXT)
def test_the_words_of_a_text_are_its_own_words(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found
    assert all(word in folded(text) and len(word) > 1 for word in found)


def test_a_term_is_known_by_the_crc32_of_its_bytes() -> None:
    assert term_hash("123456789") == 0xCBF43926
    assert term_hash("über") == zlib.crc32("über".encode())


MEANT = {
    "an identifier": ("cve-2024-3094", {"cve-2024-3094"}, True),
    "an identifier in capitals": ("CVE-2024-3094", {"cve-2024-3094"}, True),
    "the words of a title": ("CVE-2024-3094", {"backdoor", "cve", "2024", "3094"}, True),
    "only some of its words": ("CVE-2024-3094", {"cve", "2024"}, False),
    "two words": ("xz backdoor", {"xz", "backdoor", "in"}, True),
    "one of two words": ("xz backdoor", {"xz"}, False),
    "a word inside of another": ("door", {"backdoor"}, False),
    "what has no words": ("++", {"c++"}, False),
    "an identifier without words": ("++", {"++"}, True),
}


@pytest.mark.parametrize("case", MEANT)
def test_a_query_means_records_that_have_all_of_it(case: str) -> None:
    query, terms, meant = MEANT[case]
    assert all(wanted.is_in(terms) for wanted in parse_query(query)) is meant


def test_an_empty_query_asks_for_nothing() -> None:
    assert parse_query(" \t ") == ()
