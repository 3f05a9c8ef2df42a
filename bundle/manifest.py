"""export.json: the signed list of what a bundle holds and of what it was made from.

Laws: ``Manifest.from_bytes(manifest.to_bytes()) == manifest``, and every accepted byte string is the canonical one:
``Manifest.from_bytes(data).to_bytes() == data``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bundle.canonical import canonical_json, parse_canonical
from bundle.digests import content_digest
from bundle.errors import FormatError

FORMAT = "export-center-bundle"
FORMAT_VERSION = "0.1"
EVIDENCE_PREFIXES = ("data/", "mirror/data/")
"""Members under these folders are evidence; only they count for contentDigest."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A value of the manifest: immutable, strict about its fields, camelCase in JSON."""


class Member(_Struct, frozen=True, omit_defaults=True):
    """One payload member.

    ``plain_bytes`` and ``frames_sha256`` are set for framed ``.zst`` members only (docs/format.md, "Frames");
    ``records`` for members that hold records.
    """

    path: str
    media_type: str
    bytes: int
    sha256: str
    records: int | None = None
    plain_bytes: int | None = None
    frames_sha256: str | None = None

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

    id: str
    revision: int
    kind: str
    variant: str
    include: list[str]
    sha256: str
    commit: str | None


class Component(_Struct, frozen=True):
    """An adapter, and the options it ran with."""

    name: str
    version: str
    options: dict[str, Any]


class Normaliser(_Struct, frozen=True):
    """Code that derived selection columns or lines from original documents."""

    name: str
    version: str


class Toolchain(_Struct, frozen=True):
    """Everything beside the inputs that decides the bytes of an unencrypted bundle."""

    export_center: str
    libzstd: str
    zstd_level: int
    frame_minimum: int
    frame_mean: int
    frame_maximum: int
    viewer: str


class PolicySnapshotFacts(_Struct, frozen=True):
    """The policy snapshot a policy-aware bundle was made with."""

    id: str
    sha256: str


class Counts(_Struct, frozen=True):
    """How many records, by what they say of themselves.

    A record with several ecosystems or severities counts once under each, so those tables may add up to more than
    the number of records. Severities are words and vector types as upstream stated them, never derived.
    """

    records: int
    by_kind: dict[str, int]
    by_source: dict[str, int]
    by_format: dict[str, int]
    by_ecosystem: dict[str, int]
    by_severity: dict[str, int]
    without_modified: int
    findings_without_policy: int


class Base(_Struct, frozen=True):
    """The bundle a delta starts from."""

    content_digest: str
    snapshot_digest: str


class Encryption(_Struct, frozen=True):
    """How members are encrypted, and to whom."""

    mode: str
    recipients: list[str]
    strict: bool


class Manifest(_Struct, frozen=True):
    """The content of export.json."""

    format: str
    format_version: str
    profile: ProfileFacts
    selectors: dict[str, Any]
    as_of: str
    snapshot_digest: str
    content_digest: str
    context_digest: str
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
                or when contentDigest is not that of the members listed.
        """
        try:
            manifest = msgspec.convert(parse_canonical(data), cls)
        except msgspec.ValidationError as error:
            raise FormatError(f"export.json: {error}") from error
        if manifest.to_bytes() != data:
            raise FormatError("export.json spells out defaults that the canonical form omits")
        if (manifest.format, manifest.format_version) != (FORMAT, FORMAT_VERSION):
            raise FormatError(
                f"export.json has format {manifest.format!r} version {manifest.format_version!r}",
                advice=f"This program reads {FORMAT} version {FORMAT_VERSION}; use the one that made the bundle.",
            )
        if manifest.content_digest != content_digest_of(manifest.members):
            raise FormatError("export.json contradicts itself: contentDigest is not that of its members")
        return manifest


def content_digest_of(members: list[Member]) -> str:
    """Return the contentDigest of a list of members: evidence members only."""
    return content_digest((member.path, member.content) for member in members if member.is_evidence)
