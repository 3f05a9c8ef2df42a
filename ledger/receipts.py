"""Receipts: what is known of a run's bundle at one of its targets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ledger.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

PENDING, FINISHED, FAILED, EXPIRED = "pending", "finished", "failed", "expired"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The state of one target of a run; times are in microseconds since the epoch.

    Attributes:
        type: Of the target, such as "http".
        state: "pending" until the target has the bundle, then "finished", or "failed"; "expired" when retention has
            taken it away again.
        location: Where receivers find the bundle; never with credentials.
        path: Where this installation keeps its bytes, if it does.
        sha256: Of the bundle.
        layout: Of the bundle, such as "tar.zst".
        encryption: How it is encrypted, if it is.
        expires_at: When it is to go; None while that is not known, or never.
        keep: It is to go when so many newer bundles of its profile have been made; None when that does not matter.
        reason: Why the target failed.
    """

    type: str
    state: str = PENDING
    location: str | None = None
    path: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    layout: str | None = None
    encryption: str | None = None
    expires_at: int | None = None
    keep: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    reason: str | None = None

    def columns(self) -> dict[str, Any]:
        """Return it as a row of the ledger, without the run it is of."""
        return asdict(self)

    def descriptor(self) -> dict[str, Any]:
        """Return it as the API and the event log describe it."""
        return descriptor(self.columns())


def descriptor(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target's row as the API and the event log describe it."""
    return {
        "type": row["type"],
        "state": row["state"],
        "location": row["location"],
        "sha256": row["sha256"],
        "sizeBytes": row["size_bytes"],
        "expiresAt": _time(row["expires_at"]),
        "startedAt": _time(row["started_at"]),
        "finishedAt": _time(row["finished_at"]),
        "reason": row["reason"],
    }


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)
