"""Looking up the policy snapshot a run asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidence.documents import find

if TYPE_CHECKING:
    from evidence.documents import StoredDocument
    from evidence.store import Snapshot, Store


def policy_snapshot(store: Store, snapshot: Snapshot, *, tenant: str, snapshot_id: str) -> StoredDocument | None:
    """Return a tenant's policy snapshot as of an evidence snapshot, or None when it has none with that id."""
    return find(store, snapshot, "policy_snapshots", tenant, snapshot_id)
