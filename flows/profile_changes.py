"""What a change of a profile commits: files and a message, worked out from what the repository holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flows.errors import Detail, ProfileConflictError, ProfileReadOnlyError, ValidationError
from flows.profile_edits import edited, merged, slug_of, written
from flows.profile_history import same_structure
from flows.profile_views import find, parse_reference, visible
from flows.profile_yaml import read_yaml
from flows.profiles import parse_profile, profile_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flows.profile_history import History
    from flows.profile_views import StoredProfile
    from flows.profiles import Profile

    Blobs = Callable[[str], bytes]
    """Returns the bytes of a blob."""

ARCHIVED = "archived"
_REVISED = "Revise "


class Wanted(NamedTuple):
    """One commit to be: paths and their new bytes, and what happened."""

    files: Mapping[str, bytes]
    message: str
    revision_created: bool = False


def committed(message: str) -> Wanted:
    """Return what a commit of ours did that is there already, by its message."""
    return Wanted({}, message, revision_created=message.startswith(_REVISED))


def new_file(fields: Mapping[str, Any]) -> bytes:
    """Return the YAML of a profile that is made from fields; without ``profileId`` it is named after ``name``.

    Raises:
        ValidationError: The fields make no profile.
    """
    value = {name: item for name, item in fields.items() if item is not None}
    if "profileId" not in value and isinstance(value.get("name"), str):
        value = {"profileId": slug_of(value["name"]), **value}
    profile_from_json(value)
    return written({"schemaVersion": 1, **value})


def creation(files: Mapping[str, History], tenant: str, data: bytes) -> Wanted:
    """Return the commit that makes a profile of a tenant from YAML.

    Raises:
        ValidationError: It is no profile, or an archived one.
        ProfileConflictError: The tenant can see a profile of this id already.
    """
    profile = parse_profile(data, "profile").profile
    name = profile.profile_id
    if profile.archived:
        raise _refused(ARCHIVED, "a new profile is not archived")
    path = f"{tenant}/{name}.yaml"
    known = files.get(path)
    if (known is not None and known.present) or name in {each.profile.profile_id for each in visible(files, tenant)}:
        raise ProfileConflictError(f"a profile {name!r} is there already", advice="Choose another profileId.")
    return Wanted({path: data}, f"Create profile {name} of {tenant}\n\n{_one_line(profile.name)}")


def update(
    files: Mapping[str, History], tenant: str, reference: str, patch: Mapping[str, Any], blobs: Blobs
) -> Wanted | None:
    """Return the commit that lays fields over a profile's, as RFC 7396 says; None when that changes nothing.

    Raises:
        ProfileNotFoundError: There is no such profile.
        ProfileReadOnlyError: It is one that all tenants share.
        ProfileConflictError: It names a revision that is not the latest.
        ValidationError: The fields make no profile, another id, or touch ``archived``.
    """
    stored = _of_tenant(files, tenant, reference)
    if stored.profile.archived != patch.get(ARCHIVED, stored.profile.archived):
        raise _refused(ARCHIVED, "a profile is archived and restored by commands of their own")
    data = blobs(stored.blob or "")
    before = read_yaml(data).value
    value = merged(before, patch)
    after = profile_from_json(value)
    if after.profile_id != stored.profile.profile_id:
        raise _refused("profileId", "a profile keeps its id; create another one")
    if value == before:
        return None
    return _changed(stored, edited(data, value), after, _names(before, value))


def replacement(files: Mapping[str, History], tenant: str, reference: str, data: bytes) -> Wanted | None:
    """Return the commit that puts YAML in the place of a profile's; None when it is the same. Raises as ``update``."""
    stored = _of_tenant(files, tenant, reference)
    after = parse_profile(data, "profile").profile
    if after.profile_id != stored.profile.profile_id:
        raise _refused("profileId", f"expected {stored.profile.profile_id!r}, got {after.profile_id!r}")
    if after.archived != stored.profile.archived:
        raise _refused(ARCHIVED, "a profile is archived and restored by commands of their own")
    return _changed(stored, data, after, "its file")


def archiving(
    files: Mapping[str, History], tenant: str, reference: str, blobs: Blobs, *, archived: bool
) -> Wanted | None:
    """Return the commit that archives or restores a profile; None when it is so already. Raises as ``update``."""
    stored = _of_tenant(files, tenant, reference)
    if stored.archived == archived:
        return None
    data = blobs(stored.blob or "")
    value = merged(read_yaml(data).value, {ARCHIVED: True if archived else None})
    verb = "Archive" if archived else "Restore"
    return Wanted({stored.path: edited(data, value)}, f"{verb} profile {stored.profile.profile_id} of {tenant}")


def _changed(stored: StoredProfile, data: bytes, after: Profile, what: str) -> Wanted:
    name, tenant = stored.profile.profile_id, stored.tenant
    if same_structure(stored.profile, after):
        return Wanted({stored.path: data}, f"Update profile {name} of {tenant}: {what}")
    message = f"{_REVISED}profile {name} of {tenant} to revision {stored.revision + 1}: {what}"
    return Wanted({stored.path: data}, message, revision_created=True)


def _of_tenant(files: Mapping[str, History], tenant: str, reference: str) -> StoredProfile:
    """Return the latest revision of a profile that a tenant may change."""
    stored = find(files, tenant, reference)
    name = parse_reference(reference).profile_id
    if stored.tenant is None:
        raise ProfileReadOnlyError(
            f"profile {name!r} is shared by all tenants and cannot be changed", advice="Create one of your own from it."
        )
    latest = find(files, tenant, name)
    if stored.revision != latest.revision:
        raise ProfileConflictError(
            f"{reference} is history; the latest revision is {latest.reference}", advice=f"Change {name} instead."
        )
    return latest


def _names(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _refused(field: str, message: str) -> ValidationError:
    return ValidationError(f"profile.{field}: {message}", details=[Detail(field=field, message=message)])
