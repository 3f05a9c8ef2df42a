"""The search index of a member: which of its frames hold a term.

``<member>.terms`` holds rows of 8 bytes, sorted as bytes, each once: the hash of a term (u32) and the number of a frame
that holds it (u32), both big-endian; 8,192 rows make a page.
``<member>.root`` holds 40 bytes a page: its first row (8) and its SHA-256 (32), as in a record index.
"""

from __future__ import annotations

import hashlib
import operator
import struct
import sys
from array import array
from itertools import islice
from typing import TYPE_CHECKING

from bundle.errors import FormatError
from bundle.index import FRAMED

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    if len(page) % ROW_BYTES:
        raise FormatError(f"a page of {len(page)} bytes is no multiple of {ROW_BYTES}")
    rows = _numbers("Q", page)
    if page[:ROW_BYTES] <= last or not all(map(operator.lt, rows, islice(rows, 1, None))):
        raise FormatError("rows are not sorted, or one comes twice")
    if max(_numbers("I", page)[1::2]) >= frames:
        raise FormatError("a row names a frame that the member does not have")
    return page[-ROW_BYTES:]


def _numbers(code: str, data: bytes) -> array[int]:
    """Read big-endian numbers."""
    numbers = array(code, data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
