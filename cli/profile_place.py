"""Where the commands find the profiles of the tenant in force, and what they say about one."""

from __future__ import annotations

import getpass
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cli.rim import now, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.profile_store import ProfileStore, Signature, StoredProfile


@contextmanager
def open_profiles() -> Iterator[tuple[ProfileStore, str]]:
    """Open the profiles that the settings name, and yield them with the tenant in force."""
    from flows.profile_store import ProfileStore

    configured = settings()
    with ProfileStore(configured.profiles_path) as store:
        yield store, configured.tenant


def signature() -> Signature:
    """Return who is at work here, and when."""
    from flows.profile_store import Signature

    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container may have users without a name
        login = "unknown"
    return Signature(f"user:{login}", now())


def facts_of(stored: StoredProfile) -> dict[str, Any]:
    """Return what is known about a profile beside its fields."""
    return {
        "sha256": stored.sha256,
        "revision": stored.revision,
        "status": stored.status,
        "tenant": stored.tenant,
        "commit": stored.commit,
        "createdAt": stored.created_at,
        "createdBy": stored.created_by,
        "updatedAt": stored.updated_at,
        "updatedBy": stored.updated_by,
    }
