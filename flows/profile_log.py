"""The commits that made a profile's file what it is, newest first: who, when, what they said, and the file then."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from flows.profile_git import REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flows.profile_git import Repository
    from flows.profile_history import History

MOST = 100
"""Changes that are told."""

LOOKED_AT = 5_000
"""Commits that are looked at for them."""


class Entry(NamedTuple):
    """One change of a file.

    Attributes:
        revision: The profile's after it; None while the file was no profile, or gone.
        at: In seconds since the epoch.
        data: The file's bytes; None when the commit removed it.
    """

    revision: int | None
    commit: str
    at: int
    by: str
    message: str
    data: bytes | None


class Log(NamedTuple):
    """What a file went through, newest first; ``whole`` when that is all of it."""

    entries: tuple[Entry, ...]
    whole: bool


def read_log(repository: Repository, files: Mapping[str, History], path: str) -> Log:
    """Return the changes of a profile's file, as far as the branch that is checked out tells of them."""
    history, head = files.get(path), repository.head().commit
    if history is None or head is None:
        return Log((), whole=True)
    revisions = {state.commit: state.revision for state in history.states}
    commits = list(islice(repository.back_from(head, LOOKED_AT + 1), LOOKED_AT + 1))
    found = list(islice(_entries(repository, commits[:LOOKED_AT], path, revisions), MOST + 1))
    return Log(tuple(found[:MOST]), whole=len(commits) <= LOOKED_AT and len(found) <= MOST)


def _entries(repository: Repository, commits: list[str], path: str, revisions: Mapping[str, int]) -> Iterator[Entry]:
    """Yield changes. A revision is known by the last commit that belongs to it: those before it have its number too."""
    revision: int | None = None
    for commit in commits:
        for change in repository.changes(commit):
            if change.path != path:
                continue
            revision = revisions.get(commit, revision)
            made = repository.revision(commit)
            data = None if change.blob is None else repository.data(change.blob)
            yield Entry(
                None if data is None else revision,
                commit,
                made.at,
                made.author,
                _said(repository.message(commit)),
                data,
            )


def _said(message: str) -> str:
    """Return what people want to read of a message; which request made it, they do not."""
    return "\n".join(line for line in message.strip().splitlines() if not line.startswith(REQUEST)).strip()
