"""Searching a bundle: pages of its search index say which frames to read, and the records in these are looked at.

Everything read is checked against the digests in export.json, as ``bundle.records`` does for a single record.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bundle.errors import FormatError
from bundle.lines import EVALUATIONS
from bundle.partial import FrameText
from bundle.records import FoundRecord, checked_member, frame_table, members_of
from bundle.search import frames_of_query, frames_with, search_stem
from bundle.terms import parse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bundle.frames import FrameEntry
    from bundle.manifest import Member
    from bundle.source import BundleReader
    from bundle.terms import Wanted

    TermsOf = Callable[[bytes], Collection[str]]


@dataclass(frozen=True)
class _Search:
    """What is searched, and for what."""

    reader: BundleReader
    listed: Mapping[str, Member]
    wanted: Sequence[Wanted]


def search_records(reader: BundleReader, query: str, terms_of: TermsOf) -> Iterator[FoundRecord]:
    """Yield every record that has all words of a query, in the order of members and lines.

    Args:
        reader: The bundle.
        query: Words, as ``bundle.terms.parse_query`` takes them.
        terms_of: Returns the terms of a record's line: what documents say where, the bundle alone does not know.

    Raises:
        FormatError: A member has no search index, or something read is not the one that export.json stands for.
    """
    search = _Search(reader, members_of(reader), parse_query(query))
    for member in search.listed.values():
        if member.frames_sha256 is not None and member.path != EVALUATIONS:
            yield from _in_member(search, member, terms_of)


def _in_member(search: _Search, member: Member, terms_of: TermsOf) -> Iterator[FoundRecord]:
    frames = sorted(_frames(search, member))
    table = frame_table(search.reader, member, search.listed) if frames else []
    for number in frames:
        if number >= len(table):
            raise FormatError(f"{member.path}: the search index names frame {number}, which does not exist")
        for line in _lines(search.reader, member, table[number]):
            terms = terms_of(line)
            if all(each.is_in(terms) for each in search.wanted):
                yield FoundRecord(member.path, line)


def _frames(search: _Search, member: Member) -> frozenset[int]:
    stem = search_stem(member.path)
    if not {f"{stem}.root", f"{stem}.terms"} <= search.listed.keys():
        raise FormatError(
            f"{member.path} has no search index", advice="`export-center bundle list --records` reads all of it."
        )
    root = checked_member(search.reader, search.listed[f"{stem}.root"])
    read_page = partial(search.reader.read, f"{stem}.terms")
    return frames_of_query(search.wanted, lambda term: frames_with(root, term, read_page))


def _lines(reader: BundleReader, member: Member, row: FrameEntry) -> Iterator[bytes]:
    """Yield the lines of one frame, which must be the one that the frame table lists."""
    plain = FrameText(reader, member, row).whole()
    if hashlib.sha256(plain).digest() != row.sha256:
        raise FormatError(f"{member.path}: a frame is not the one that the frame table lists")
    yield from (line + b"\n" for line in plain.split(b"\n")[:-1])
