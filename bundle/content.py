"""Steps 7, 8 and 12 of verification: what framed members, their frame tables and their indexes hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle import search
from bundle.container import ContainerError
from bundle.deep import RecordCheck
from bundle.digests import FramesDigest
from bundle.envelope import MAX_MANIFEST
from bundle.errors import FormatError, VerificationError
from bundle.index import ENTRY_BYTES, FRAMED, PAGE_BYTES, check_page, index_stem
from bundle.lines import EVALUATIONS
from bundle.recount import Recount
from bundle.search import search_stem
from bundle.zframes import read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bundle.manifest import Manifest, Member
    from bundle.zframes import Frame

    _Check = Callable[[Member, str, Iterator[bytes]], None]

MADE_SO = "The bundle was signed like this, so it was not altered on its way; tell its sender."
INDEXES = "indexes/"
WORKERS = 2


@dataclass(frozen=True)
class Limits:
    """What is allowed before anything is allocated, in bytes.

    Attributes:
        manifest: export.json; what the rest of the envelope may have follows from its size.
        frame: The plain bytes of one frame; it is never larger than its member is stated to be either.
    """

    manifest: int = MAX_MANIFEST
    frame: int = 1 << 30


class ContentChecks:
    """Looks into members as they pass, and keeps what later ones must agree with.

    Memory: three digests a framed member, and with ``deep`` a number a value that export.json counts; neither records,
    frames nor index pages make it grow.
    """

    def __init__(self, limits: Limits, *, deep: bool) -> None:
        """Start before the first member."""
        self.deep = deep
        self._limits = limits
        self._tables: dict[str, str] = {}
        self._roots: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._search_roots: dict[str, str] = {}
        self._frame_counts: dict[str, int] = {}
        self._records: dict[str, RecordCheck] = {}
        self._recount: Recount | None = None

    def expect(self, manifest: Manifest) -> None:
        """Take what was signed, before the first member.

        Raises:
            VerificationError: It lists a framed member without an index of its own.
        """
        self.check_listing(manifest.members)
        self._recount = Recount(manifest) if self.deep else None

    def finish(self) -> None:
        """Compare what was counted on the way with what was signed, after the last member.

        Raises:
            VerificationError: They do not agree.
        """
        # 12. What export.json states of all records together.
        if self._recount:
            self._recount.finish()

    def check_listing(self, members: Sequence[Member]) -> None:
        """Make sure that every framed member has an index of its own.

        Raises:
            VerificationError: A part of one is not listed, or two members would share one.
        """
        digests, taken = {member.path: member.sha256 for member in members}, set[str]()
        for member in members:
            if member.frames_sha256 is None:
                continue
            parts = _parts(member.path)
            if taken & parts.keys() or not member.path.endswith(FRAMED):
                raise _failed(7, member.path, "no index of its own can belong to a member of this name")
            taken |= parts.keys()
            for part, step in parts.items():
                if part not in digests:
                    raise _failed(step, member.path, f"export.json lists no {part}")
            stem = search_stem(member.path)
            if f"{stem}.root" in parts:
                self._search_roots[stem] = digests[f"{stem}.root"]

    def check(self, listed: Member, pieces: Iterator[bytes]) -> None:
        """Take the bytes of the next member, not always to their end.

        Raises:
            VerificationError: They hold something else than they should.
        """
        if listed.frames_sha256 is not None:
            self._check_frames(listed, index_stem(listed.path), pieces)
        by_suffix: dict[str, _Check] = {
            ".frames": self._check_table,
            ".pages": self._check_pages,
            ".root": self._check_root,
            ".terms": self._check_terms,
        }
        stem, dot, suffix = listed.path.rpartition(".")
        if stem.startswith(INDEXES) and dot + suffix in by_suffix:
            by_suffix[dot + suffix](listed, stem, pieces)

    def _check_frames(self, listed: Member, stem: str, pieces: Iterator[bytes]) -> None:
        # 7. Decompress and hash every frame, and remember what the frame table has to be.
        table, frames, total, records, count = hashlib.sha256(), FramesDigest(), 0, 0, 0
        check = RecordCheck(listed.path, self._recount) if self._recount else None
        for frame in self._frames(listed, pieces):
            if check:
                check.add(frame.plain)
            table.update(frame.row.to_bytes())
            frames.add(frame.row.plain_bytes, frame.row.sha256)
            total, records, count = total + frame.row.plain_bytes, records + frame.lines, count + 1
        if (frames.hexdigest(), total, records) != (listed.frames_sha256, listed.plain_bytes, listed.records):
            raise _failed(7, listed.path, "its frames, plain size or records are not those in export.json")
        self._tables[stem], self._counts[stem] = table.hexdigest(), records
        self._frame_counts[search_stem(listed.path)] = count
        if check:
            self._records[stem] = check

    def _frames(self, listed: Member, pieces: Iterator[bytes]) -> Iterator[Frame]:
        """Yield the frames as long as they stay within what export.json lists."""
        rest = listed.plain_bytes or 0
        limit = min(self._limits.frame, rest)
        try:
            for frame in read_frames(pieces, limit=limit, workers=WORKERS, keep=self.deep):
                rest -= frame.row.plain_bytes
                if rest < 0 or not frame.whole:
                    raise _failed(7, listed.path, "a frame goes beyond the size in export.json, or ends in a record")
                yield frame
        except ContainerError:
            raise
        except FormatError as error:
            raise _failed(7, listed.path, error.message) from error

    def _check_table(self, listed: Member, stem: str, pieces: Iterator[bytes]) -> None:
        # 7. The table lists exactly the frames that were read: step 6 makes sure that its digest is the listed one.
        del pieces
        if listed.sha256 != self._tables.get(stem):
            raise _failed(7, listed.path, "the table does not list the frames of its member")

    def _check_pages(self, listed: Member, stem: str, pieces: Iterator[bytes]) -> None:
        # 8. Hash 40 bytes a page, as the root must have them.
        root, last, rows = hashlib.sha256(), b"", 0
        records = self._records.get(stem)
        for page in _pages(pieces, PAGE_BYTES):
            try:
                last = check_page(page, last)
            except FormatError as error:
                raise _failed(8, listed.path, error.message) from error
            rows += len(page) // ENTRY_BYTES
            root.update(page[:8] + hashlib.sha256(page).digest())
            if records:
                records.add_page(page)
        if rows != self._counts.get(stem):
            raise _failed(8, listed.path, "the index does not have one row for every record")
        self._roots[stem] = root.hexdigest()
        # 12. The index lists exactly the records.
        if records:
            records.finish()

    def _check_root(self, listed: Member, stem: str, pieces: Iterator[bytes]) -> None:
        # 8. The root lists exactly the pages: step 6 makes sure that its digest is the listed one.
        del pieces
        # That of a search index stands before its pages, and is looked at with them.
        if stem not in self._search_roots and listed.sha256 != self._roots.get(stem):
            raise _failed(8, listed.path, "the index root does not list the pages of its index")

    def _check_terms(self, listed: Member, stem: str, pieces: Iterator[bytes]) -> None:
        # 8. Hash 40 bytes a page; step 6 makes sure that the digest of the root is the listed one.
        root, last, frames = hashlib.sha256(), b"", self._frame_counts.get(stem, 0)
        for page in _pages(pieces, search.PAGE_BYTES):
            try:
                last = search.check_page(page, last, frames)
            except FormatError as error:
                raise _failed(8, listed.path, error.message) from error
            root.update(page[:8] + hashlib.sha256(page).digest())
        if root.hexdigest() != self._search_roots.get(stem):
            raise _failed(8, f"{stem}.root", "the root does not list the pages of its search index")


def _parts(path: str) -> dict[str, int]:
    """Return the members of the indexes that a framed member has, and the steps that look at them."""
    stem, found = index_stem(path), search_stem(path)
    record_index = {f"{stem}.frames": 7, f"{stem}.pages": 8, f"{stem}.root": 8}
    return record_index if path == EVALUATIONS else {**record_index, f"{found}.root": 8, f"{found}.terms": 8}


def _pages(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % size
        yield from (rest[start : start + size] for start in range(0, whole, size))
        rest = rest[whole:]
    if rest:
        yield rest


def _failed(step: int, member: str, message: str) -> VerificationError:
    return VerificationError(step, member, message, advice=MADE_SO)
