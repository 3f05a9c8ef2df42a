"""Planning: every choice of a run, made before anything is read or written, as one frozen value.

Law: two equal plans make equal bundles; ``plan.digest`` names a plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from adapters import ADAPTERS
from bundle.frames import FrameParameters
from evidence.schema import KIND_OF_TABLE
from flows.criteria import Selectors, resolved
from flows.errors import ValidationError
from flows.profiles import Profile

if TYPE_CHECKING:
    from adapters.adapter import Adapter
    from flows.profiles import LoadedProfile


class PinnedTable(msgspec.Struct, frozen=True, weakref=True):
    """One table of a run: its version in the store and the files of that version, or the copy of a declared source.

    ``source_sha256`` is the digest of what was read from a source; empty for the store, which keeps its versions.
    """

    name: str
    version: int
    files: tuple[str, ...]
    source_sha256: str = ""

    def named(self) -> PinnedTable:
        """Return what stands for the table in a plan's digest: where a store or a copy lies is no part of it."""
        files = () if self.source_sha256 else tuple(PurePosixPath(file).name for file in self.files)
        return msgspec.structs.replace(self, files=files)


class PinnedPolicy(msgspec.Struct, frozen=True):
    """The policy snapshot of a run: found in the store when the plan was made.

    ``tenants`` are those of whose findings it speaks.
    """

    id: str
    sha256: str
    document: bytes
    tenants: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do.

    ``as_of`` is None when it shall be the newest ``modified`` among the selected records.
    """

    profile: Profile
    profile_sha256: str
    profile_revision: int
    profile_commit: str | None
    selectors: Selectors
    snapshot: int
    tables: tuple[PinnedTable, ...]
    policy: PinnedPolicy | None
    as_of: str | None
    allow_empty: bool
    frames: FrameParameters

    @property
    def variant(self) -> str:
        """``kind:variant`` of the profile, the key of the adapter table."""
        return f"{self.profile.kind}:{self.profile.variant}"

    @property
    def adapter(self) -> Adapter:
        """The adapter that this plan runs."""
        return ADAPTERS[self.variant]

    @property
    def digest(self) -> str:
        """SHA-256 over the whole plan, in hexadecimal; it does not change when a store is moved or copied."""
        named = msgspec.structs.replace(self, tables=tuple(table.named() for table in self.tables))
        return hashlib.sha256(msgspec.json.encode(named, order="deterministic")).hexdigest()

    def resolved_selectors(self) -> dict[str, Any]:
        """Return the selectors as export.json states them, defaults spelled out."""
        return resolved(self.selectors)


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence store offers a plan: one snapshot, its tables, and perhaps a policy snapshot."""

    snapshot: int
    tables: Mapping[str, PinnedTable]
    policy: PinnedPolicy | None = None


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asks beside the profile."""

    selectors: Selectors
    policy_snapshot_id: str | None = None
    as_of: str | None = None
    allow_empty: bool = False


def plan(loaded: LoadedProfile, wishes: Wishes, pins: Pins) -> Plan:
    """Decide everything a run needs.

    Raises:
        ValidationError: The profile's kind has no adapter yet, a policy snapshot is missing that the profile
            requires, or one is given that it does not take.
    """
    profile = loaded.profile
    _require_adapter(profile)
    _require_policy(profile, wishes, pins.policy)
    empty = {name: PinnedTable(name, 0, ()) for name in KIND_OF_TABLE}
    return Plan(
        profile=profile,
        profile_sha256=loaded.sha256,
        profile_revision=loaded.revision,
        profile_commit=loaded.commit,
        selectors=wishes.selectors,
        snapshot=pins.snapshot,
        tables=tuple(pins.tables.get(name, empty[name]) for name in included_tables(profile)),
        policy=pins.policy,
        as_of=wishes.as_of,
        allow_empty=wishes.allow_empty,
        frames=FrameParameters(),
    )


def included_tables(profile: Profile) -> tuple[str, ...]:
    """Return the record tables a profile includes, in the order of members; "policy" stands for findings."""
    wanted = {"findings" if each == "policy" else each for each in profile.include}
    tables = tuple(name for name in KIND_OF_TABLE if name in wanted)
    return tables if profile.variant == "policy" else tuple(name for name in tables if name != "findings")


def _require_adapter(profile: Profile) -> None:
    variant = profile.pair
    if profile.encryption.enabled:
        raise ValidationError(
            f"profile {profile.profile_id}: encryption can be declared, but this version does not encrypt yet",
            advice="Set encryption.enabled to false; nothing is written in clear that you asked to encrypt.",
        )
    if variant in ADAPTERS:
        return
    raise ValidationError(
        f"profile {profile.profile_id}: {variant} can be declared, but this version has no adapter for it yet",
        advice=f"Profiles that run: {', '.join(sorted(ADAPTERS))}.",
    )


def _require_policy(profile: Profile, wishes: Wishes, found: PinnedPolicy | None) -> None:
    wanted, mode = wishes.policy_snapshot_id, profile.policy_snapshot_mode
    if mode == "none" and wanted is not None:
        raise ValidationError(
            f"profile {profile.profile_id} takes no policy snapshot, but {wanted!r} was given",
            advice="Use a json:policy profile, or set policySnapshotMode to optional.",
        )
    if mode == "required" and wanted is None:
        raise ValidationError(
            f"profile {profile.profile_id} requires a policy snapshot",
            advice="Name one with --policy-snapshot ID; `export-center evidence stats` lists those in the store.",
        )
    if wanted is not None and found is None:
        raise ValidationError(
            f"the store has no policy snapshot {wanted!r}",
            advice="Store it with `export-center ingest --kind policy-snapshot FILE`.",
        )
