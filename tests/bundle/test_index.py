"""The record index: looking up ids through pages finds what looking at every row finds."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle import index
from bundle.errors import FormatError
from bundle.index import IndexEntry, build, check_page, lookup, parse_page


def _entry(number: int, hashed: bytes) -> IndexEntry:
    digest = hashlib.sha256(str(number).encode()).digest()
    return IndexEntry(hashed, digest, digest, digest, number, number)


@settings(deadline=None, max_examples=60)
@given(hashes=st.lists(st.integers(0, 40), max_size=60), wanted=st.integers(0, 41))
def test_lookup_finds_what_a_scan_finds(hashes: list[int], wanted: int) -> None:
    page_entries, index.PAGE_ENTRIES = index.PAGE_ENTRIES, 4
    page_bytes, index.PAGE_BYTES = index.PAGE_BYTES, 4 * index.ENTRY_BYTES
    try:
        entries = [_entry(number, hashed.to_bytes(8, "big")) for number, hashed in enumerate(hashes)]
        pages, root = build(entries)
        sought = wanted.to_bytes(8, "big")
        found = list(lookup(root, sought, lambda offset, size: pages[offset : offset + size]))
    finally:
        index.PAGE_ENTRIES, index.PAGE_BYTES = page_entries, page_bytes
    assert sorted(entry.frame for entry in found) == [at for at, hashed in enumerate(hashes) if hashed == wanted]


def test_lookup_reads_one_page_of_many() -> None:
    entries = [_entry(number, hashlib.sha256(str(number).encode()).digest()[:8]) for number in range(6000)]
    pages, root = build(entries)
    read: list[int] = []

    def read_page(offset: int, size: int) -> bytes:
        read.append(size)
        return pages[offset : offset + size]

    assert list(lookup(root, entries[17].id_hash, read_page)) == [entries[17]]
    assert len(read) <= 2


def test_a_changed_page_is_refused() -> None:
    pages, root = build([_entry(1, bytes(8))])
    with pytest.raises(FormatError, match="not the one that the index root names"):
        list(lookup(root, bytes(8), lambda *_: pages[:-1] + b"\xff"))


def test_rows_are_read_back_in_their_order() -> None:
    entries = [_entry(number, bytes([number] * 8)) for number in (3, 1, 2)]
    pages, _ = build(entries)
    assert [entry.frame for entry in parse_page(pages)] == [1, 2, 3]


def test_the_order_of_rows_is_checked_within_and_between_pages() -> None:
    low, high = (_entry(0, bytes([first] * 8)).to_bytes() for first in (1, 2))
    assert check_page(low + high, b"") == high
    for page, last in ((high + low, b""), (low, high), (low[:-1], b"")):
        with pytest.raises(FormatError):
            check_page(page, last)


def test_a_page_that_ends_within_a_row_is_refused() -> None:
    with pytest.raises(FormatError):
        parse_page(bytes(113))
