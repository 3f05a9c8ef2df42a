"""Listing what the members of a bundle hold, line by line, without their content; nothing of it is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bundle.errors import FormatError, MemberNotFoundError
from bundle.lines import id_of
from bundle.records import iterate_lines, manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bundle.manifest import Member
    from bundle.source import BundleReader


class ListedRecord(msgspec.Struct, frozen=True):
    """A line of a framed member; what it does not state is None, as of evaluations, which state little."""

    member: str
    id: str
    tenant: str | None = None
    source: str | None = None
    kind: str | None = None
    locator: str | None = None
    format: str | None = None
    modified: str | None = None
    sha256: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """The fields of a line that are listed."""

    tenant: str | None = None
    source: str | None = None
    kind: str | None = None
    locator: str | None = None
    format: str | None = None
    modified: str | None = None
    sha256: str | None = None


def listed_records(reader: BundleReader, name: str | None = None) -> Iterator[ListedRecord]:
    """Yield every record, in the order of members and lines; of one member only, when it is named.

    Raises:
        FormatError: A member is damaged.
        MemberNotFoundError: The bundle has no such member, or one without records.
    """
    for member in _members(reader, name):
        for line in iterate_lines(reader, member):
            yield listed(member.path, line)


def _members(reader: BundleReader, name: str | None) -> list[Member]:
    framed = [member for member in manifest_of(reader).members if member.frames_sha256 is not None]
    found = [member for member in framed if name in (None, member.path)]
    if name is not None and not found:
        raise MemberNotFoundError(
            f"the bundle has no member {name!r} with records",
            advice=f"Those with records: {', '.join(member.path for member in framed)}.",
        )
    return found


def listed(path: str, line: bytes) -> ListedRecord:
    """Return what is listed of a line of a member.

    Raises:
        FormatError: It is none.
    """
    known = id_of(path, line)
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: a line has no envelope: {error}") from error
    return ListedRecord(path, known, *(getattr(envelope, field) for field in _Envelope.__struct_fields__))
