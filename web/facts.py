"""What the pages of a bundle are made of: everything export.json will say, but the pages' own sizes and digests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bundle.manifest import (
        Base,
        Component,
        Counts,
        Encryption,
        Manifest,
        Member,
        Normaliser,
        PolicySnapshotFacts,
        ProfileFacts,
        Toolchain,
    )
    from web.trivy_report import TrivyReport


@dataclass(frozen=True, kw_only=True)
class DeltaCounts:
    """How many records a delta adds, changes and removes."""

    added: int
    changed: int
    removed: int


@dataclass(frozen=True, kw_only=True)
class BundleFacts:
    """A manifest before its pages exist. Fields mean what they mean in ``bundle.manifest.Manifest``.

    Attributes:
        members: Evidence and indexes only (``data/**``, ``indexes/**``), in the order of the payload.
        key_id: SHA-256 of the signing key's SubjectPublicKeyInfo, in hexadecimal.
        algorithm: What the key signs with: "ecdsa-p256-sha256" or "ed25519".
        base: The bundle a delta starts from; None for bundles that stand alone.
        encryption: How members are encrypted; None when they are not.
        delta: What a delta does, when its adapter told; the members say less.
        trivy: The report of a Trivy database, read; None for bundles without one, or where nobody read it.
    """

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
    counts: Counts
    members: list[Member]
    key_id: str
    algorithm: str
    base: Base | None = None
    encryption: Encryption | None = None
    delta: DeltaCounts | None = None
    trivy: TrivyReport | None = None


def facts_of(manifest: Manifest, *, key_id: str, algorithm: str, trivy: TrivyReport | None = None) -> BundleFacts:
    """Return the facts of a bundle that exists: what its pages were made of, and the same for a page about it."""
    taken = [name for name in BundleFacts.__dataclass_fields__ if hasattr(manifest, name)]
    fields: dict[str, Any] = {name: getattr(manifest, name) for name in taken}
    fields["members"] = [member for member in manifest.members if not is_page(member.path)]
    return BundleFacts(**fields, key_id=key_id, algorithm=algorithm, trivy=trivy)


def pages_of(manifest: Manifest) -> dict[str, tuple[int, str]]:
    """Return the pages of a bundle that exists: path to (bytes, SHA-256), in the order of the payload."""
    return {each.path: (each.bytes, each.sha256) for each in manifest.members if is_page(each.path)}


def is_page(path: str) -> bool:
    """Return whether a member is there to be read by people, rather than evidence or an index of it."""
    return path in {"README.md", "index.html"} or path.startswith("viewer/")
