"""Profiles: list, look at, create, change, archive and restore; every change is a commit of the profiles repository."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from flows.errors import (
    ProfileConflictError,
    ProfileNotFoundError,
    ProfileReadOnlyError,
    StorageError,
    ValidationError,
)
from flows.profile_store import Signature
from flows.profile_views import ACTIVE, INACTIVE
from ledger.times import as_datetime
from server.auditing import note
from server.context import Reply
from server.paging import page_of
from server.problems import CONFLICT, FORBIDDEN, NO_PROFILE, UNAVAILABLE, VALIDATION, Problem, invalid
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from flows.profile_store import Patched, StoredProfile
    from server.context import Call
    from server.service import Service

STATUSES = (ACTIVE, INACTIVE)
LISTED = ("name", "kind", "variant", "include", "distribution", "retention", "encryption", "schedule")
"""Fields of a profile that stand beside its ``config``, as the contract has them."""


def list_profiles(service: Service, call: Call) -> Reply:
    """List the profiles of the tenant, and those that all share."""
    call.only("kind", "variant", "status", "page", "pageSize")
    if call.query.get("status", ACTIVE) not in STATUSES:
        raise invalid("status", f"{call.query['status']!r} is none of {', '.join(STATUSES)}")
    page, size = call.page()
    wanted = {name: call.query.get(name) for name in ("kind", "variant", "status")}
    with told(call.caller.tenant):
        found = service.profiles.listing(call.caller.tenant, **wanted)
    return page_of(call, [listed(each) for each in found[(page - 1) * size : page * size]], len(found))


def show(service: Service, call: Call) -> Reply:
    """Show a profile, or the revision of it that the id names."""
    call.only()
    with told(call.caller.tenant):
        found = service.profiles.get(call.caller.tenant, call.params["profileId"])
    return Reply(body={**listed(found), "config": msgspec.to_builtins(found.profile), **_provenance(found)})


def create(service: Service, call: Call) -> StoredProfile:
    """Create a profile of the tenant, as a commit."""
    with told(call.caller.tenant):
        return service.profiles.create(call.caller.tenant, call.json(), _author(call))


def created(service: Service, call: Call, connection: Connection, made: StoredProfile) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Tell of a profile that was created."""
    note(call, connection, "profile.create", made.reference, {"commit": made.commit})
    return Reply(status=201, body=_state(made), headers={"Location": f"{BASE}/profiles/{made.profile.profile_id}"})


def update(service: Service, call: Call) -> Patched:
    """Change fields of a profile (RFC 7396), as a commit; what changes the bytes of bundles makes a new revision."""
    with told(call.caller.tenant):
        return service.profiles.patch(call.caller.tenant, call.params["profileId"], call.json(), _author(call))


def updated(service: Service, call: Call, connection: Connection, made: Patched) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Tell of a profile that was changed."""
    note(call, connection, "profile.update", made.profile.reference, {"commit": made.profile.commit})
    return Reply(body={**_state(made.profile), "revisionCreated": made.revision_created})


def archive(service: Service, call: Call) -> StoredProfile:
    """Take a profile out of use, as a commit; its runs and bundles stay."""
    with told(call.caller.tenant):
        return service.profiles.archive(call.caller.tenant, call.params["profileId"], _author(call))


def archived(service: Service, call: Call, connection: Connection, made: StoredProfile) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Tell of a profile that was taken out of use."""
    note(call, connection, "profile.archive", made.reference, {"commit": made.commit})
    return Reply(body=_state(made))


def restore(service: Service, call: Call) -> StoredProfile:
    """Take a profile into use again, as a commit."""
    with told(call.caller.tenant):
        return service.profiles.restore(call.caller.tenant, call.params["profileId"], _author(call))


def restored(service: Service, call: Call, connection: Connection, made: StoredProfile) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Tell of a profile that was taken into use again."""
    note(call, connection, "profile.restore", made.reference, {"commit": made.commit})
    return Reply(body=_state(made))


def listed(found: StoredProfile) -> dict[str, Any]:
    """Return a profile as lists show it."""
    fields: Mapping[str, Any] = msgspec.to_builtins(found.profile)
    return {**_state(found), **{name: fields[name] for name in LISTED}, "shared": found.tenant is None}


def _state(found: StoredProfile) -> dict[str, Any]:
    return {
        "profileId": found.reference,
        "version": found.revision,
        "status": found.status,
        "createdAt": _time(found.created_at),
        "createdBy": found.created_by,
    }


def _provenance(found: StoredProfile) -> dict[str, Any]:
    return {
        "updatedAt": _time(found.updated_at),
        "updatedBy": found.updated_by,
        "sha256": found.sha256,
        "commit": found.commit,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _author(call: Call) -> Signature:
    return Signature(call.caller.subject, as_datetime(call.now), call.request)


@contextmanager
def told(tenant: str) -> Iterator[None]:
    """Say of errors of the repository what the API says of them.

    Raises:
        Problem: There was one.
    """
    try:
        yield
    except ProfileNotFoundError as error:
        raise Problem(404, NO_PROFILE, f"Profile not found for tenant {tenant}: {error.message}") from error
    except ProfileConflictError as error:
        raise Problem(409, CONFLICT, error.message) from error
    except ProfileReadOnlyError as error:
        raise Problem(403, FORBIDDEN, error.message) from error
    except ValidationError as error:
        details = [msgspec.structs.asdict(each) for each in error.details] or [{"field": "", "message": error.message}]
        raise Problem(400, VALIDATION, error.message, details=details) from error
    except StorageError as error:
        raise Problem(503, UNAVAILABLE, error.message) from error
