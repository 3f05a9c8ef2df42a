"""The search index of a member: which of its frames hold a term.

``<member>.terms`` holds rows of 8 bytes, sorted as bytes, each once: the hash of a term (u32) and the number of a frame
that holds it (u32), both big-endian; 8,192 rows make a page.
``<member>.root`` holds 40 bytes a page: its first row (8) and its SHA-256 (32), as in a record index.
"""

from __future__ import annotations

import bisect
import hashlib
import operator
import struct
import sys
from array import array
from itertools import islice
from typing import TYPE_CHECKING

from bundle.errors import FormatError
from bundle.index import FRAMED, ROOT_ENTRY_BYTES, checked_page
from bundle.terms import term_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bundle.terms import Wanted

    FramesOf = Callable[[str], frozenset[int]]

_ROW = struct.Struct(">II")
ROW_BYTES = _ROW.size
PAGE_ROWS = 8_192
PAGE_BYTES = ROW_BYTES * PAGE_ROWS
SEARCH = "indexes/search/"


def search_stem(path: str) -> str:
    """Return the path of a member's search index, without its suffix: ``indexes/search/a`` for ``data/a.jsonl.zst``."""
    return SEARCH + path.partition("/")[2].removesuffix(FRAMED)


def build(pairs: Iterable[tuple[int, int]]) -> tuple[bytes, bytes]:
    """Return (terms, root) for pairs of hash and frame in any order: the plain form of what the exporter writes."""
    rows = sorted({_ROW.pack(*pair) for pair in pairs})
    pages = [b"".join(rows[start : start + PAGE_ROWS]) for start in range(0, len(rows), PAGE_ROWS)]
    return b"".join(pages), b"".join(page[:8] + hashlib.sha256(page).digest() for page in pages)


def check_page(page: bytes, last: bytes, frames: int) -> bytes:
    """Return the last row of a page, whose rows must follow ``last`` and each other in order, each once.

    Args:
        page: At least one row.
        last: The last row of the page before; empty for the first page.
        frames: How many frames the member has.

    Raises:
        FormatError: They do not, the page ends within a row, or it names a frame that does not exist.
    """
    rows = _numbers("Q", page)
    if page[:ROW_BYTES] <= last or not all(map(operator.lt, rows, islice(rows, 1, None))):
        raise FormatError("rows are not sorted, or one comes twice")
    if max(_numbers("I", page)[1::2]) >= frames:
        raise FormatError("a row names a frame that the member does not have")
    return page[-ROW_BYTES:]


def frames_with(root: bytes, term: str, read_page: Callable[[int, int], bytes]) -> frozenset[int]:
    """Return the numbers of the frames that have a term, or another term of its hash.

    Args:
        root: The whole ``.root`` member, whose digest the caller has checked.
        term: As ``bundle.terms`` makes it.
        read_page: Returns (offset, size) of the ``.terms`` member; the last page may come shorter.

    Raises:
        FormatError: A page is not the one its root names.
    """
    return frozenset(_frames_with(root, term_hash(term), read_page))


def _frames_with(root: bytes, wanted: int, read_page: Callable[[int, int], bytes]) -> Iterator[int]:
    firsts = _numbers("Q", b"".join(root[start : start + 8] for start in range(0, len(root), ROOT_ENTRY_BYTES)))
    first, beyond = wanted << 32, (wanted + 1) << 32
    # The frames of a term may begin at the end of the page before the first one that starts with it.
    number = max(bisect.bisect_left(firsts, first) - 1, 0)
    while number < len(firsts) and firsts[number] < beyond:
        rows = _numbers("Q", checked_page(root, number, read_page, size=PAGE_BYTES))
        yield from (
            row & 0xFFFFFFFF for row in rows[bisect.bisect_left(rows, first) : bisect.bisect_left(rows, beyond)]
        )
        number += 1


def frames_of_query(query: Sequence[Wanted], frames_of: FramesOf) -> frozenset[int]:
    """Return the frames that may hold a record with all that a query asks for; none for an empty query.

    Args:
        query: At least one word.
        frames_of: Returns the frames that have a term.
    """
    found: frozenset[int] | None = None
    for each in query:
        frames = _frames_of_word(each, frames_of)
        found = frames if found is None else found & frames
        if not found:
            break
    return found or frozenset()


def _frames_of_word(wanted: Wanted, frames_of: FramesOf) -> frozenset[int]:
    whole = frames_of(wanted.identifier)
    if not wanted.words or wanted.words == (wanted.identifier,):
        return whole
    return whole | frozenset.intersection(*map(frames_of, wanted.words))


def _numbers(code: str, data: bytes) -> array[int]:
    """Read the big-endian numbers of whole rows.

    Raises:
        FormatError: They end within a row.
    """
    if len(data) % ROW_BYTES:
        raise FormatError(f"{len(data)} bytes of a search index are no multiple of {ROW_BYTES}")
    numbers = array(code, data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
