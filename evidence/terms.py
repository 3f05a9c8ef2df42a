"""The terms by which a record is found in a bundle, computed once, when it is ingested.

Law: they are a function of the record's line, so that a store, a copy of it and a database that keeps lines alone
make the same bundle; no column of the store decides them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from bundle.terms import folded, purl_without_version, term_hash, words
from evidence.formats import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidence.formats.facts import Facts


class _Line(msgspec.Struct, frozen=True):
    content: msgspec.Raw
    format: str
    id: str


class Described(msgspec.Struct, frozen=True):
    """What a record's line tells of it to whoever searches."""

    id: str
    title: str | None
    terms: frozenset[str]


def described(line: bytes) -> Described:
    """Read a record's line; of a document whose format this program does not know, only the id is told.

    Raises:
        ValueError, RecursionError: It is none.
    """
    record = msgspec.json.decode(line, type=_Line)
    facts = facts_of_content(record.content, record.format)
    if facts is None:
        return Described(record.id, None, frozenset((folded(record.id),)))
    return Described(record.id, facts.title, record_terms(record.id, facts))


def stored_terms(terms: Iterable[str]) -> list[int]:
    """Return what the column ``terms`` holds of some terms: the 32 bits of their hashes as signed numbers, sorted.

    Delta tables know no unsigned numbers.
    """
    return sorted(number - ((number >> 31) << 32) for number in {*map(term_hash, terms)})


def terms_of_line(line: bytes) -> list[int]:
    """Return what the column ``terms`` holds of the record of a line; nothing for an empty line.

    Raises:
        ValueError, RecursionError: It is no line of a record.
    """
    return stored_terms(described(line).terms) if line else []


def record_terms(upstream_id: str, facts: Facts) -> frozenset[str]:
    """Return the terms of a record: its identifiers, and the words of its title, subject and packages."""
    purls = [folded(purl) for purl in facts.purls]
    identifiers = map(folded, (upstream_id, *facts.aliases, *facts.packages))
    # No word goes on over a line break: together they are read faster than one by one.
    texts = "\n".join((facts.title or "", facts.subject or "", *facts.packages))
    return frozenset((*identifiers, *purls, *map(purl_without_version, purls), *words(texts)))


def facts_of_content(content: bytes | msgspec.Raw, format_name: str) -> Facts | None:
    """Return the facts of a line's document; None when this program does not know its format.

    Args:
        content: The document's JSON.
        format_name: As lines have it: "osv/1.6.0", "osv+yaml".
    """
    known = BY_NAME.get(format_name.partition("/")[0].partition("+")[0])
    return known.facts(_DECODER.decode(bytes(content).decode())) if known else None


def _no_text(number: str) -> None:
    """Stand for a number, of which there may be ones that Python refuses to read."""
    del number


_DECODER: json.JSONDecoder = json.JSONDecoder(parse_int=_no_text, parse_float=_no_text)
