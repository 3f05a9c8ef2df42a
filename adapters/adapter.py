"""The adapter protocol: how selected records become members of a bundle.

An adapter is stateless: no clock, no environment, no network. It reads Arrow batches in the order of export and writes
files into a staging folder that the pipeline owns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from adapters.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from bundle.frames import FrameParameters
    from bundle.manifest import Member, PolicySnapshotFacts

BATCH_COLUMNS = (
    "tenant",
    "source",
    "kind",
    "upstream_id",
    "locator",
    "key_hash",
    "id_hash",
    "raw_sha256",
    "line_sha256",
    "modified",
    "ecosystems",
    "severity_stated",
    "format",
    "normaliser",
    "terms",
    "line",
)
"""Columns of the batches that every adapter receives, as in evidence.schema.RECORDS."""


@dataclass(frozen=True, kw_only=True)
class PolicySnapshot:
    """A policy snapshot as stored: its id, the SHA-256 of its original bytes, and those bytes.

    ``tenants`` are those of whose findings it speaks.
    """

    id: str
    sha256: str
    document: bytes
    tenants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an adapter is asked to do.

    Attributes:
        tables: Per record table, in the order of members, a function that opens a fresh stream of its batches.
        policy: The policy snapshot of a policy-aware run, or None for a run without.
        options: The profile's adapter options.
        staging: An existing folder that the adapter may fill.
        frames: How framed members are cut.
        workers: Threads that compress and hash.
        progress: Called with (table, records, plain bytes) as they grow; it may raise to cancel.
    """

    tables: Mapping[str, Callable[[], Iterator[pa.RecordBatch]]]
    policy: PolicySnapshot | None
    options: Mapping[str, Any]
    staging: Path
    frames: FrameParameters
    workers: int
    progress: Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class StagedMember:
    """A finished member and the file that holds its bytes."""

    member: Member
    path: Path


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """What an adapter made: data members, their indexes, and what it counted on the way."""

    data: tuple[StagedMember, ...] = ()
    indexes: tuple[StagedMember, ...] = ()
    tally: Tally = field(default_factory=Tally)
    policy: PolicySnapshotFacts | None = None


class Adapter(Protocol):
    """One way to write a bundle's data."""

    @property
    def name(self) -> str:
        """Name as in the manifest: "json:raw"."""

    @property
    def version(self) -> str:
        """Version of the bytes it writes: it changes when they would."""

    def adapt(self, request: Request) -> Adapted:
        """Write every data member and index into ``request.staging``."""
