"""The record index: where the record with some id lies, found by reading one page.

``<member>.pages`` holds rows of 112 bytes, sorted as bytes: id hash (8), key hash (32), SHA-256 of the original
document (32), SHA-256 of the line (32), number of the frame (u32), offset in its plain bytes (u32); 585 rows make
a page.
``<member>.root`` holds 40 bytes a page: the id hash of its first row (8) and the page's SHA-256 (32).
"""

from __future__ import annotations

import bisect
import hashlib
import struct
from typing import TYPE_CHECKING

import msgspec

from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_ENTRY = struct.Struct("<8s32s32s32sII")
ENTRY_BYTES = _ENTRY.size
PAGE_ENTRIES = 585
PAGE_BYTES = ENTRY_BYTES * PAGE_ENTRIES
ROOT_ENTRY_BYTES = 40
KEY_BYTES = 40
"""Bytes of a row that rows are sorted by: id hash and key hash."""

LINE_BYTES = 104
"""Bytes of a row before its place: equal in two bundles that hold the same line under the same key."""


FRAMED = ".jsonl.zst"
"""How the name of a framed member ends."""


def index_stem(path: str) -> str:
    """Return the path of a framed member's index, without its suffix: ``indexes/a/b`` for ``data/a/b.jsonl.zst``."""
    return "indexes/" + path.partition("/")[2].removesuffix(FRAMED)


class IndexEntry(msgspec.Struct, frozen=True):
    """One row: digests are raw bytes, the place is a frame and an offset in its plain bytes."""

    id_hash: bytes
    key_hash: bytes
    sha256: bytes
    line_sha256: bytes
    frame: int
    offset: int

    def to_bytes(self) -> bytes:
        """Return the 112 bytes of the row."""
        return _ENTRY.pack(self.id_hash, self.key_hash, self.sha256, self.line_sha256, self.frame, self.offset)


def parse_page(data: bytes) -> list[IndexEntry]:
    """Read the rows of one page.

    Raises:
        FormatError: Its size is no multiple of a row.
    """
    _check_size(data)
    return [IndexEntry(*row) for row in _ENTRY.iter_unpack(data)]


def split_page(data: bytes) -> list[bytes]:
    """Return the rows of one page as bytes.

    Raises:
        FormatError: Its size is no multiple of a row.
    """
    _check_size(data)
    return [data[start : start + ENTRY_BYTES] for start in range(0, len(data), ENTRY_BYTES)]


def _check_size(data: bytes) -> None:
    if len(data) % ENTRY_BYTES:
        raise FormatError(f"an index page of {len(data)} bytes is no multiple of {ENTRY_BYTES}")


def check_page(page: bytes, last: bytes) -> bytes:
    """Return the last row of a page, whose rows must follow ``last`` and each other in order.

    Raises:
        FormatError: They do not, or the page is empty or ends within a row.
    """
    rows = split_page(page)
    if not rows:
        raise FormatError("an index page without rows")
    if rows != sorted(rows) or rows[0] < last:
        raise FormatError("index rows are not sorted")
    return rows[-1]


def build(entries: Iterable[IndexEntry]) -> tuple[bytes, bytes]:
    """Return (pages, root) for entries in any order: the plain form of what the exporter writes piece by piece."""
    rows = sorted(entry.to_bytes() for entry in entries)
    pages = [b"".join(rows[start : start + PAGE_ENTRIES]) for start in range(0, len(rows), PAGE_ENTRIES)]
    return b"".join(pages), b"".join(page[:8] + hashlib.sha256(page).digest() for page in pages)


def lookup(root: bytes, id_hash: bytes, read_page: Callable[[int, int], bytes]) -> Iterator[IndexEntry]:
    """Yield the rows of an id hash.

    Args:
        root: The whole ``.root`` member, whose digest the caller has checked.
        id_hash: 8 bytes.
        read_page: Returns (offset, size) of the ``.pages`` member; the last page may come shorter.

    Raises:
        FormatError: A page is not the one its root names.
    """
    firsts = [root[start : start + 8] for start in range(0, len(root), ROOT_ENTRY_BYTES)]
    # An id may begin at the end of the page before the first one that starts with it.
    number = max(bisect.bisect_left(firsts, id_hash) - 1, 0)
    while number < len(firsts) and firsts[number] <= id_hash:
        page = checked_page(root, number, read_page, size=PAGE_BYTES)
        yield from (entry for entry in parse_page(page) if entry.id_hash == id_hash)
        number += 1


def checked_page(root: bytes, number: int, read_page: Callable[[int, int], bytes], *, size: int) -> bytes:
    """Return a page by its number; ``size`` is that of all pages but the last.

    Raises:
        FormatError: It is empty, or not the one that the root names.
    """
    page = read_page(number * size, size)
    start = number * ROOT_ENTRY_BYTES
    if not page or hashlib.sha256(page).digest() != root[start + 8 : start + ROOT_ENTRY_BYTES]:
        raise FormatError(f"index page {number} is not the one that the index root names")
    return page
