"""Terms: what the search index of a bundle knows of a record, and what a query asks of it.

A record has a set of terms (docs/format.md, "Search index"): *identifiers* as a whole, and the *words* of texts. Both
are texts whose A to Z became a to z; nothing else is folded or normalised. The index keeps the CRC-32 of each.
"""

from __future__ import annotations

import re
import string
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WORD = re.compile("[0-9a-z\x80-\U0010ffff]{2,}")


def folded(text: str) -> str:
    """Return a text as terms have it: A to Z as a to z, and everything else as it is."""
    # For nearly all texts the two agree, and this one is faster.
    return text.lower() if text.isascii() else text.translate(_SMALL)


def words(text: str) -> list[str]:
    """Return the words of a text: runs of at least two letters and digits of ASCII, or characters beyond it."""
    return _WORD.findall(folded(text))


def purl_without_version(purl: str) -> str:
    """Return a package URL without its version, qualifiers and subpath.

    These begin at the first "#" or "?", and a version at the last "@" behind the last "/" before that: the "@" of a
    scope is followed by a slash, or begins what stands behind one.
    """
    base = purl.partition("#")[0].partition("?")[0]
    slash = base.rfind("/") + 1
    name, at, _ = base[slash:].rpartition("@")
    return base[:slash] + name if at and name else base


def term_hash(term: str) -> int:
    """Return the number that stands for a term: the CRC-32 of its UTF-8 bytes."""
    return zlib.crc32(term.encode())


@dataclass(frozen=True)
class Wanted:
    """One word of a query: an identifier, or else all the words in it."""

    identifier: str
    words: tuple[str, ...]

    def is_in(self, terms: Collection[str]) -> bool:
        """Whether a record with these terms is meant."""
        return self.identifier in terms or (bool(self.words) and all(word in terms for word in self.words))


def parse_query(query: str) -> tuple[Wanted, ...]:
    """Return what a query asks for; a record is found that has all of it.

    Words are separated by white space. ``CVE-2024-3094`` is asked for as an identifier, and as the three words that
    a title may have.
    """
    return tuple(Wanted(folded(part), tuple(dict.fromkeys(words(part)))) for part in dict.fromkeys(query.split()))
