"""Who sees which profile: those of a tenant, before those that all tenants share, in what a repository holds."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from flows.errors import ProfileNotFoundError, ValidationError
from flows.profile_history import newest
from flows.profiles import LoadedProfile, Profile, builtin_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.profile_history import History, State

ACTIVE, INACTIVE = "active", "inactive"
PROGRAM = "system:export-center"
"""Who made the built-in profiles, as long as no repository says more."""

_REFERENCE = re.compile(r"(?P<id>[a-z0-9-]{1,63})(@(?P<revision>[1-9][0-9]{0,8}))?", re.ASCII)


class StoredProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile and what is known about it.

    Attributes:
        tenant: Its owner; None for one that all tenants share.
        revision: From 1; the latest one of the profile unless an older one was asked for.
        archived: Whether the profile, all its revisions, is out of use.
        sha256: Of its YAML, in hexadecimal.
        commit: The one that wrote it; None for a built-in profile as the program has it.
        blob: Its file in git; None for the same.
        created_at: When the profile was made, UTC; None while there is no repository.
        updated_at: When this revision was last changed, UTC.
        path: Its file, inside the repository.
    """

    profile: Profile
    tenant: str | None
    revision: int
    archived: bool
    sha256: str
    commit: str | None
    blob: str | None
    created_at: datetime | None
    created_by: str
    updated_at: datetime | None
    updated_by: str
    path: str

    @property
    def reference(self) -> str:
        """Its id, and the revision when that is not the first: ``x``, ``x@2``."""
        suffix = f"@{self.revision}" if self.revision > 1 else ""
        return f"{self.profile.profile_id}{suffix}"

    @property
    def status(self) -> str:
        """``active``, or ``inactive`` when it is archived."""
        return INACTIVE if self.archived else ACTIVE

    @property
    def loaded(self) -> LoadedProfile:
        """The profile as runs take it."""
        return LoadedProfile(
            profile=self.profile, sha256=self.sha256, path=self.path, revision=self.revision, commit=self.commit
        )


class Reference(NamedTuple):
    """``x`` or ``x@2``, read; the revision is None when the latest is meant."""

    profile_id: str
    revision: int | None


def parse_reference(text: str) -> Reference:
    """Read a reference.

    Raises:
        ProfileNotFoundError: No profile can have that name.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ProfileNotFoundError(f"no profile {text[:100]!r}")
    return Reference(found["id"], int(found["revision"]) if found["revision"] else None)


def find(files: Mapping[str, History], tenant: str, reference: str) -> StoredProfile:
    """Return a profile that a tenant can see.

    Raises:
        ProfileNotFoundError: There is none of that name, or none of that revision.
        ValidationError: Its file is there, but is no profile.
    """
    wanted = parse_reference(reference)
    for path, owner in ((f"{tenant}/{wanted.profile_id}.yaml", tenant), (f"{wanted.profile_id}.yaml", None)):
        history = files.get(path)
        if history is not None and history.present and not history.seeded:
            return _stored(path, owner, history, _chosen(history, wanted))
    if wanted.profile_id in builtin_profiles() and wanted.revision in {None, 1}:
        return _builtin(files, wanted.profile_id)
    known = [each.profile.profile_id for each in visible(files, tenant)]
    close = difflib.get_close_matches(reference, known, n=3)
    advice = f"Did you mean {' or '.join(close)}?" if close else ""
    raise ProfileNotFoundError(f"no profile {reference!r} of {tenant}", advice=advice)


def visible(files: Mapping[str, History], tenant: str) -> list[StoredProfile]:
    """Return the latest revision of everything a tenant can see, by id."""
    own = {each.profile.profile_id: each for each in owned(files, tenant)}
    return [each for _, each in sorted(({each.profile.profile_id: each for each in shared(files)} | own).items())]


def owned(files: Mapping[str, History], tenant: str) -> list[StoredProfile]:
    """Return the latest revision of a tenant's own profiles."""
    prefix = f"{tenant}/"
    return [
        _stored(path, tenant, history, state)
        for path, history in files.items()
        if path.startswith(prefix) and (state := newest(history))
    ]


def shared(files: Mapping[str, History]) -> list[StoredProfile]:
    """Return the latest revision of what all tenants share; a built-in profile as people changed it, if they did."""
    changed = [
        _stored(path, None, history, state)
        for path, history in files.items()
        if "/" not in path and not history.seeded and (state := newest(history))
    ]
    taken = {each.profile.profile_id for each in changed} | {
        path.removesuffix(".yaml") for path, history in files.items() if history.present and history.broken
    }
    return [*(_builtin(files, name) for name in builtin_profiles() if name not in taken), *changed]


def _chosen(history: History, wanted: Reference) -> State:
    if wanted.revision is None:
        if history.broken:
            raise ValidationError(history.broken, advice="Correct the file and commit it.")
        return history.states[-1]
    for state in history.states:
        if state.revision == wanted.revision:
            return state
    raise ProfileNotFoundError(
        f"profile {wanted.profile_id!r} has no revision {wanted.revision}",
        advice=f"Its latest is {history.states[-1].revision}." if history.states else "",
    )


def _stored(path: str, tenant: str | None, history: History, state: State) -> StoredProfile:
    return StoredProfile(
        profile=state.profile,
        tenant=tenant,
        revision=state.revision,
        archived=history.states[-1].profile.archived,
        sha256=state.sha256,
        commit=state.commit,
        blob=state.blob,
        created_at=_moment(history.created_at),
        created_by=history.created_by,
        updated_at=_moment(state.at),
        updated_by=state.by,
        path=path,
    )


def _builtin(files: Mapping[str, History], name: str) -> StoredProfile:
    """Return a built-in profile; the same bytes in every installation, and so without the commit of any."""
    loaded, path = builtin_profiles()[name], f"{name}.yaml"
    copy = files.get(path)
    made = None if copy is None else _moment(copy.created_at)
    changed = _moment(copy.states[-1].at) if copy is not None and copy.states else made
    return StoredProfile(
        profile=loaded.profile,
        tenant=None,
        revision=loaded.revision,
        archived=loaded.profile.archived,
        sha256=loaded.sha256,
        commit=None,
        blob=None,
        created_at=made,
        created_by=PROGRAM,
        updated_at=changed,
        updated_by=PROGRAM,
        path=path,
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
