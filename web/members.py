"""The table of members: every file of a bundle, what it is for, and its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle.search import SEARCH
from web.figures import number, size, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundle.manifest import Member
    from web.facts import BundleFacts

PAGE = "index.html"

ENVELOPE = (
    ("export.json", "the signed list of all members, and the facts shown here"),
    ("export.json.sig", "its signature, base64"),
    ("export.json.sigstore.json", "the same signature for cosign"),
    ("provenance.json", "statement of how the bundle was made (in-toto, SLSA provenance)"),
    ("provenance.json.sig", "its signature, base64"),
    ("provenance.sigstore.json", "the statement, signed, for cosign"),
    ("provenance.dsse.json", "the statement as a DSSE envelope"),
    ("checksums.txt", "digests of every file, for sha256sum; not signed"),
    ("cosign.pub", "the public key, for convenience; trust only your own copy"),
)
"""Files around the payload, in the order of the archive."""

LISTED = 2_000
"""Members a page lists; with many thousands, a browser no longer opens it."""

MEDIA_TYPES = {
    "md": "text/markdown",
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "txt": "text/plain",
}
"""By suffix: what pages and their files are."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One member of the payload.

    Attributes:
        records: How many, as shown; empty for members that hold none.
        sort_records: The same to sort by; -1 for members that hold none.
        digest: SHA-256 in hexadecimal, or empty for the page itself, which cannot contain its own digest.
    """

    path: str
    role: str
    media_type: str
    records: str
    sort_records: int
    bytes: str
    sort_bytes: int
    digest: str


def rows(facts: BundleFacts, pages: Mapping[str, tuple[int, str]]) -> tuple[Row, ...]:
    """Return a row for every member of the payload, in its order; ``pages`` as in ``web.page_data.page_data``."""
    made = [_row(path, bytes_=stated[0], digest=stated[1]) for path, stated in pages.items()]
    if PAGE not in pages:
        readme = 1 if "README.md" in pages else 0
        made.insert(readme, _row(PAGE, bytes_=-1, digest=""))
    return (*made, *map(_member_row, facts.members))


def _row(path: str, *, bytes_: int, digest: str) -> Row:
    return Row(
        path=path,
        role="page",
        media_type=MEDIA_TYPES.get(path.rpartition(".")[2], "application/octet-stream"),
        records="",
        sort_records=-1,
        bytes=size(bytes_) if bytes_ >= 0 else "",
        sort_bytes=bytes_,
        digest=digest,
    )


def _member_row(member: Member) -> Row:
    return Row(
        path=visible(member.path),
        role=_role(member),
        media_type=visible(member.media_type),
        records="" if member.records is None else number(member.records),
        sort_records=-1 if member.records is None else member.records,
        bytes=size(member.bytes),
        sort_bytes=member.bytes,
        digest=visible(member.sha256),
    )


def _role(member: Member) -> str:
    if member.is_evidence:
        return "evidence"
    return "search index" if member.path.startswith(SEARCH) else "index"


def holds_lines(member: Member) -> bool:
    """Return whether a member is a series of records, one a line."""
    return member.is_evidence and member.path.endswith((".jsonl.zst", ".jsonl.zst.age"))
