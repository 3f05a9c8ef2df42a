"""What the commits of the repository say about each profile: its revisions, who made it, who changed it and when.

Everything is derived from git, so that edits by hand count like any other. A revision begins when something changes
that changes bundles; a rename, distribution, retention, schedule or archiving stays within it. Numbers are never used
again, not even after a file was deleted and made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

import bundle
from flows.errors import ValidationError
from flows.profile_git import FOLDER
from flows.profile_trees import PROFILE_PATH
from flows.profiles import Profile, parse_profile, profile_schema

if TYPE_CHECKING:
    from pathlib import Path

    from flows.profile_git import Repository, Revision
    from flows.profile_trees import Change

FREE = frozenset({"schema_version", "name", "description", "distribution", "retention", "schedule", "archived"})
"""Fields that a revision does not depend on; everything else changes what a bundle holds."""

CACHE = "history.json"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as one commit left it; the last one of its revision.

    Attributes:
        at: When, in seconds since the epoch.
        by: The caller, as in ``user:ops``.
        sha256: Of the YAML bytes, in hexadecimal.
    """

    profile: Profile
    revision: int
    commit: str
    blob: str
    sha256: str
    at: int
    by: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The life of one file.

    Attributes:
        states: One a revision, oldest first; empty when the file never was a profile.
        present: Whether the file is there now.
        broken: Why the file, as it is now, is no profile; else empty.
        seeded: Whether only this program ever wrote it, as a copy of a built-in profile.
    """

    created_at: int
    created_by: str
    states: tuple[State, ...] = ()
    present: bool = True
    broken: str = ""
    seeded: bool = False


class Book(msgspec.Struct, frozen=True):
    """Every file's history up to one commit. ``rules`` names the version of the code that read it."""

    rules: str
    commit: str | None = None
    files: dict[str, History] = {}


def read_book(repository: Repository, known: Book) -> Book:
    """Return the book up to the head, starting from what is known: from memory, else from a file, else from nothing."""
    head = repository.head().commit
    if known.commit == head:
        return known
    place = repository.control / FOLDER / CACHE
    start = known if known.commit is not None else _load(place)
    commits, met = repository.since(head, start.commit)
    files = dict(start.files) if met or start.commit is None else {}
    for commit in commits:
        revision = repository.revision(commit)
        for change in repository.changes(commit):
            files[change.path] = _next(files.get(change.path), change, revision, repository)
    book = Book(start.rules, head, files)
    if commits:
        _save(place, book)
    return book


def same_structure(one: Profile, other: Profile) -> bool:
    """Whether two profiles differ in nothing that changes bundles."""
    return _structure(one) == _structure(other)


def _structure(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in Profile.__struct_fields__ if name not in FREE}


def _next(before: History | None, change: Change, made: Revision, repository: Repository) -> History:
    """Return the history of a file after one more commit."""
    if before is None or not before.present:
        states = () if before is None else before.states
        seeded = made.ours and before is None and "/" not in change.path
        before = History(created_at=made.at, created_by=made.author, states=states, seeded=seeded)
    before = msgspec.structs.replace(before, seeded=before.seeded and made.ours, present=change.blob is not None)
    if change.blob is None:
        return before
    data = repository.data(change.blob)
    try:
        profile = _parsed(data, change.path)
    except ValidationError as error:
        return msgspec.structs.replace(before, broken=error.message)
    last = before.states[-1] if before.states else None
    state = State(
        profile=profile,
        revision=_revision(last, profile),
        commit=made.commit,
        blob=change.blob,
        sha256=hashlib.sha256(data).hexdigest(),
        at=made.at,
        by=made.author,
    )
    kept = before.states[:-1] if last is not None and last.revision == state.revision else before.states
    return msgspec.structs.replace(before, states=(*kept, state), broken="")


def _revision(last: State | None, profile: Profile) -> int:
    if last is None:
        return 1
    return last.revision + (not same_structure(last.profile, profile))


def _parsed(data: bytes, path: str) -> Profile:
    """Read a profile, whose file must be named after it."""
    profile = parse_profile(data, path).profile
    found = PROFILE_PATH.fullmatch(path)
    if found is None or found["id"] != profile.profile_id:
        raise ValidationError(f"{path}: profileId: the file is not named after the profile {profile.profile_id!r}")
    return profile


@cache
def _rules() -> str:
    schema = msgspec.json.encode(profile_schema(), order="deterministic")
    return f"{bundle.__version__}-{hashlib.sha256(schema).hexdigest()}"


def _load(place: Path) -> Book:
    """Return what another process found out, if the same code did."""
    rules = _rules()
    try:
        found = msgspec.json.decode(place.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError):
        return Book(rules)
    return found if found.rules == rules else Book(rules)


def _save(place: Path, book: Book) -> None:
    """Keep the book for other processes; where nothing can be written, they find out themselves."""
    temporary = place.with_name(f"{CACHE}.{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        temporary.write_bytes(msgspec.json.encode(book))
        temporary.replace(place)


def newest(history: History) -> State | None:
    """Return a file's latest state, when the file is there and is a profile."""
    return history.states[-1] if history.present and not history.broken and history.states else None
