"""export.json: the signed list of what a bundle holds and of what it was made from.

Laws: ``Manifest.from_bytes(manifest.to_bytes()) == manifest``, and every accepted byte string is the canonical one:
``Manifest.from_bytes(data).to_bytes() == data``. ``schema/export.schema.json`` says the same for other readers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bundle.canonical import MAX_SAFE_INTEGER, canonical_json, parse_canonical
from bundle.digests import content_digest, sha256_hex
from bundle.errors import FormatError
from bundle.lines import EVALUATIONS

FORMAT: Literal["export-center-bundle"] = "export-center-bundle"
FORMAT_VERSION: Literal["0.1"] = "0.1"
EVIDENCE_PREFIXES = ("data/", "mirror/data/")
"""Members under these folders are evidence; only they count for contentDigest."""

MAX_NAME = 100
"""The longest name that fits into a tar header, in bytes."""

NAME_PART = "[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*"
END = "$(?!\\n)"
"""The end of a text: in Python, "$" alone would also take the place before a last line break."""

Digest = Annotated[str, Meta(pattern=f"^[0-9a-f]{{64}}{END}")]
"""A SHA-256, in hexadecimal."""

Count = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Word = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(max_length=MAX_NAME, pattern=f"^{NAME_PART}(/{NAME_PART})*{END}")]
"""The name of a payload member: relative, in ASCII, with "/" between parts that are neither empty, hidden nor dots."""

INSTANT = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{0,5}}[1-9])?Z{END}"
Instant = Annotated[str, Meta(pattern=INSTANT)]
"""RFC 3339 in UTC; a fraction only when it is not zero."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A value of the manifest: immutable, strict about its fields, camelCase in JSON."""


class Member(_Struct, frozen=True, omit_defaults=True):
    """One payload member.

    ``plain_bytes`` and ``frames_sha256`` are set for framed ``.zst`` members only (docs/format.md, "Frames");
    ``records`` for members that hold records.
    """

    path: Name
    media_type: Word
    bytes: Count
    sha256: Digest
    records: Count | None = None
    plain_bytes: Count | None = None
    frames_sha256: Digest | None = None

    @property
    def content(self) -> str:
        """The digest that stands for this member in contentDigest."""
        return self.frames_sha256 or self.sha256

    @property
    def is_evidence(self) -> bool:
        """Whether this member counts for contentDigest."""
        return self.path.startswith(EVIDENCE_PREFIXES)


class ProfileFacts(_Struct, frozen=True):
    """The profile a bundle was made by. ``commit`` is null for profiles that do not come from a git repository."""

    id: Word
    revision: Count
    kind: Word
    variant: Word
    include: list[Word]
    sha256: Digest
    commit: str | None


class Component(_Struct, frozen=True):
    """An adapter, and the options it ran with."""

    name: Word
    version: Word
    options: dict[str, Any]


class Normaliser(_Struct, frozen=True):
    """Code that derived selection columns or lines from original documents."""

    name: Word
    version: Word


class Toolchain(_Struct, frozen=True):
    """Everything beside the inputs that decides the bytes of an unencrypted bundle."""

    export_center: Word
    libzstd: Word
    zstd_parameters: Word
    frame_minimum: Count
    frame_mean: Count
    frame_maximum: Count
    viewer: str


class PolicySnapshotFacts(_Struct, frozen=True):
    """The policy snapshot a policy-aware bundle was made with."""

    id: Word
    sha256: Digest


class Counts(_Struct, frozen=True):
    """How many records, by what they say of themselves.

    A record with several ecosystems or severities counts once under each, so those tables may add up to more than
    the number of records. Severities are words and vector types as upstream stated them, never derived.
    """

    records: Count
    by_kind: dict[str, Count]
    by_source: dict[str, Count]
    by_format: dict[str, Count]
    by_ecosystem: dict[str, Count]
    by_severity: dict[str, Count]
    without_modified: Count
    findings_without_policy: Count


class Base(_Struct, frozen=True):
    """The bundle a delta starts from."""

    content_digest: Digest
    snapshot_digest: Digest


class Encryption(_Struct, frozen=True):
    """How members are encrypted, and to whom."""

    mode: Word
    recipients: Annotated[list[Word], Meta(min_length=1)]
    strict: bool


class Manifest(_Struct, frozen=True):
    """The content of export.json."""

    format: Literal["export-center-bundle"]
    format_version: Literal["0.1"]
    profile: ProfileFacts
    selectors: dict[str, Any]
    as_of: Instant
    snapshot_digest: Digest
    content_digest: Digest
    context_digest: Digest
    policy_snapshot: PolicySnapshotFacts | None
    adapters: list[Component]
    normalisers: list[Normaliser]
    toolchain: Toolchain
    members: list[Member]
    counts: Counts
    base: Base | None = None
    encryption: Encryption | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical bytes that are signed and written."""
        return canonical_json(msgspec.to_builtins(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read export.json.

        Raises:
            FormatError: When the bytes are not canonical JSON, break the schema, name an unknown format version,
                or when contentDigest, contextDigest or counts.records are not those of the other fields.
        """
        value = parse_canonical(data)
        _check_version(value)
        try:
            manifest = msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise FormatError(f"export.json: {error}") from error
        if manifest.to_bytes() != data:
            raise FormatError("export.json spells out defaults that the canonical form omits")
        _check_consistency(manifest)
        return manifest


def content_digest_of(members: list[Member]) -> str:
    """Return the contentDigest of a list of members: evidence members only."""
    return content_digest((member.path, member.content) for member in members if member.is_evidence)


def context_digest_of(profile: ProfileFacts, selectors: dict[str, Any], snapshot_digest: str) -> str:
    """Return the contextDigest: of what was asked, and of the evidence it was asked of."""
    return sha256_hex(
        canonical_json([selectors, snapshot_digest, profile.kind, profile.variant, sorted(profile.include)])
    )


def _check_version(value: object) -> None:
    """Look at the version before anything else: another one has other fields."""
    found = (value.get("format"), value.get("formatVersion")) if isinstance(value, dict) else (None, None)
    if found != (FORMAT, FORMAT_VERSION):
        raise FormatError(
            f"export.json has format {found[0]!r} version {found[1]!r}",
            advice=f"This program reads {FORMAT} version {FORMAT_VERSION}; use the one that made the bundle.",
        )


def _check_consistency(manifest: Manifest) -> None:
    """Refuse what only several fields together can say wrongly."""
    for member in manifest.members:
        framed = (member.plain_bytes is not None, member.frames_sha256 is not None)
        if framed != (False, False) and (framed != (True, True) or member.records is None):
            raise FormatError(f"export.json: {member.path} has some of plainBytes, framesSha256 and records, not all")
    if len(set(manifest.profile.include)) != len(manifest.profile.include):
        raise FormatError("export.json: profile.include names something twice")
    if manifest.content_digest != content_digest_of(manifest.members):
        raise FormatError("export.json contradicts itself: contentDigest is not that of its members")
    if manifest.context_digest != context_digest_of(manifest.profile, manifest.selectors, manifest.snapshot_digest):
        raise FormatError("export.json contradicts itself: contextDigest is not that of what was asked")
    records = sum(member.records or 0 for member in manifest.members if member.path != EVALUATIONS)
    if manifest.counts.records != records:
        raise FormatError(
            f"export.json contradicts itself: it counts {manifest.counts.records} records, and lists {records}"
        )
