"""Profiles of tenants: files ``TENANT/ID.yaml`` of a git repository, beside those that all tenants share.

Reading never writes a profile; while there is no repository, there are the built-in profiles and no others. Every
change is one commit whose author is the caller. Several processes can use one repository, and people can edit and
commit there.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from flows.errors import ProfileConflictError, ProfileNotFoundError, StorageError
from flows.profile_changes import archiving, committed, creation, new_file, replacement, update
from flows.profile_commits import Moved, Writer
from flows.profile_faults import told
from flows.profile_git import COMMITTER, Repository, Signature
from flows.profile_history import Book, read_book
from flows.profile_log import Log, read_log
from flows.profile_seed import exists, make_repository, refresh
from flows.profile_views import StoredProfile, find, owned, parse_reference, shared, visible
from flows.profiles import builtin_bytes, parse_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from flows.profile_changes import Wanted
    from flows.profile_git import Head
    from flows.profile_history import History
    from flows.profiles import LoadedProfile

TURN_SECONDS = 5.0
"""How long a thread waits for others that write."""

ATTEMPTS = 20
"""How often a change is worked out anew because somebody committed in between."""

__all__ = ["Patched", "ProfileStore", "Signature", "StoredProfile"]


class Patched(NamedTuple):
    """A profile after a change, and whether that made a new revision."""

    profile: StoredProfile
    revision_created: bool


class ProfileStore:
    """All profiles of an installation; threads may share it.

    Everything here raises StorageError when the repository cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        """Take the folder of the repository; nothing is read or written yet."""
        self.path = path
        self._lock, self._turn = RLock(), Lock()
        self._repository: Repository | None = None
        self._book = Book("")

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the repository."""
        self.close()

    def close(self) -> None:
        """Close the repository; it is opened again when it is needed."""
        with self._lock:
            if self._repository is not None:
                self._repository.close()
            self._repository, self._book = None, Book("")

    def seed(self, at: datetime) -> None:
        """Make the repository if it is not there, with copies of the built-in profiles; bring the copies up to date."""
        with self._lock:
            self._ensure(at)
            self._write(Signature(COMMITTER, at), lambda files: refresh(files, self._seeded_by()))

    def listing(
        self, tenant: str, *, kind: str | None = None, variant: str | None = None, status: str | None = None
    ) -> list[StoredProfile]:
        """Return the latest revisions of what a tenant can see, by id; its own go before shared ones of the same id."""
        return [
            each
            for each in visible(self._files(), tenant)
            if kind in {None, each.profile.kind}
            and variant in {None, each.profile.variant}
            and status in {None, each.status}
        ]

    def everything(self) -> list[StoredProfile]:
        """Return the latest revision of every profile: those that all tenants share, and each tenant's own."""
        files = self._files()
        tenants = sorted({path.partition("/")[0] for path in files if "/" in path})
        return [*shared(files), *(each for tenant in tenants for each in owned(files, tenant))]

    def broken(self, tenant: str | None = None) -> dict[str, str]:
        """Return what is wrong with committed files that are no profiles, of all or of what a tenant sees, by path."""
        return {
            path: history.broken
            for path, history in self._files().items()
            if history.present and history.broken and (tenant is None or path.rpartition("/")[0] in {"", tenant})
        }

    def version(self) -> str | None:
        """Return the commit that is in force; it changes when any profile does. None: there is no repository."""
        with self._lock, told(self.path):
            repository = self._open()
            return None if repository is None else repository.head().commit

    def get(self, tenant: str, reference: str) -> StoredProfile:
        """Return a profile by ``id`` or ``id@revision``, archived ones too.

        Raises:
            ProfileNotFoundError: There is none that this tenant can see.
            ValidationError: Its file is there, but is no profile.
        """
        return find(self._files(), tenant, reference)

    def find(self, tenant: str, reference: str) -> LoadedProfile:
        """Return a profile as runs take it, archived ones too. Raises as ``get``."""
        return self.get(tenant, reference).loaded

    def resolve(self, tenant: str, reference: str) -> LoadedProfile:
        """Return a profile for a run. Raises as ``get``, and ProfileNotFoundError when it is archived."""
        found = self.get(tenant, reference)
        if found.archived:
            name = found.profile.profile_id
            raise ProfileNotFoundError(
                f"profile {name!r} is archived", advice=f"Restore it with `export-center profile restore {name}`."
            )
        return found.loaded

    def text(self, tenant: str, reference: str) -> bytes:
        """Return the YAML of a profile. Raises as ``get``."""
        found = self.get(tenant, reference)
        return builtin_bytes(found.profile.profile_id) if found.blob is None else self._data(found.blob)

    def log(self, tenant: str, reference: str) -> Log:
        """Return the commits that made a profile's file what it is, newest first. Raises as ``get``."""
        path = self.get(tenant, reference).path
        with self._lock, told(self.path):
            repository = self._open()
            return Log((), whole=True) if repository is None else read_log(repository, self._book.files, path)

    def create(self, tenant: str, fields: Mapping[str, Any], by: Signature) -> StoredProfile:
        """Make a profile of a tenant from its fields; without ``profileId`` it is named after ``name``.

        Raises:
            ValidationError: The fields make no profile.
            ProfileConflictError: The tenant can see a profile of this id already.
        """
        return self.create_from(tenant, new_file(fields), by)

    def create_from(self, tenant: str, data: bytes, by: Signature, *, name: str = "profile") -> StoredProfile:
        """Make a profile of a tenant from YAML, which is kept as it is and called ``name``. Raises as ``create``."""
        profile = parse_profile(data, name).profile
        with self._writing(by.at):
            self._write(by, lambda files: creation(files, tenant, data))
            return self.get(tenant, profile.profile_id)

    def patch(self, tenant: str, reference: str, fields: Mapping[str, Any], by: Signature) -> Patched:
        """Lay fields over a profile's, as RFC 7396 says; what changes bundles makes a new revision.

        Raises:
            ProfileNotFoundError: There is none that this tenant can see.
            ProfileReadOnlyError: It is one that all tenants share.
            ProfileConflictError: An older revision was named, or somebody is editing the file.
            ValidationError: The fields make no profile.
        """
        return self._change(tenant, reference, by, lambda files: update(files, tenant, reference, fields, self._data))

    def replace(self, tenant: str, reference: str, data: bytes, by: Signature, *, name: str = "profile") -> Patched:
        """Put YAML, called ``name``, in the place of a profile's. Raises as ``patch``."""
        parse_profile(data, name)
        return self._change(tenant, reference, by, lambda files: replacement(files, tenant, reference, data))

    def archive(self, tenant: str, reference: str, by: Signature) -> StoredProfile:
        """Take a profile out of use. Raises as ``patch``; does nothing when it is archived already."""
        return self._archive(tenant, reference, by, archived=True)

    def restore(self, tenant: str, reference: str, by: Signature) -> StoredProfile:
        """Take an archived profile into use again. Raises as ``patch``; does nothing when it is in use."""
        return self._archive(tenant, reference, by, archived=False)

    def _archive(self, tenant: str, reference: str, by: Signature, *, archived: bool) -> StoredProfile:
        return self._change(
            tenant, reference, by, lambda files: archiving(files, tenant, reference, self._data, archived=archived)
        ).profile

    def _change(
        self, tenant: str, reference: str, by: Signature, change: Callable[[Mapping[str, History]], Wanted | None]
    ) -> Patched:
        self.get(tenant, reference)
        with self._writing(by.at):
            done = self._write(by, change)
            latest = self.get(tenant, parse_reference(reference).profile_id)
            return Patched(latest, done is not None and done.revision_created)

    @contextmanager
    def _writing(self, at: datetime) -> Iterator[None]:
        """Let one thread write at a time; while it waits for people's git, the others can read."""
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise StorageError(f"the profiles in {self.path} are being written", advice="Try again later.")
        try:
            with self._lock:
                self._ensure(at)
                writer = Writer(self._must_open())
            writer.await_git()
            with self._lock:
                yield
        finally:
            self._turn.release()

    def _write(self, by: Signature, change: Callable[[Mapping[str, History]], Wanted | None]) -> Wanted | None:
        """Commit what a change wants, worked out again whenever somebody else committed in between."""
        repository = self._must_open()
        writer = Writer(repository)
        with writer.locked():
            for _ in range(ATTEMPTS):
                head = repository.head()
                wanted = self._wanted(by, change)
                if wanted is None or not wanted.files or self._committed(writer, head, wanted, by):
                    return wanted
        raise StorageError(f"others keep committing to {self.path}", advice="Try again later.")

    def _wanted(self, by: Signature, change: Callable[[Mapping[str, History]], Wanted | None]) -> Wanted | None:
        """Return what a change wants, or what it did when this very request was here before and told nobody."""
        try:
            wanted = change(self._files())
        except ProfileConflictError:
            done = self._done(by)
            if done is None:
                raise
            return done
        return wanted or self._done(by)

    def _done(self, by: Signature) -> Wanted | None:
        repository = self._must_open()
        message = repository.done(repository.head().commit, by.request) if by.request else None
        return None if message is None else committed(message)

    def _committed(self, writer: Writer, head: Head, wanted: Wanted, by: Signature) -> bool:
        if self._book.commit != head.commit:
            return False
        try:
            writer.commit(head, wanted.files, by, wanted.message)
        except Moved:
            return False
        return True

    def _files(self) -> Mapping[str, History]:
        with self._lock, told(self.path):
            repository = self._open()
            if repository is not None:
                self._book = read_book(repository, self._book)
            return self._book.files

    def _data(self, blob: str) -> bytes:
        with self._lock, told(self.path):
            return self._must_open().data(blob)

    def _seeded_by(self) -> str:
        """Return the message of the commit that last wrote a copy of a built-in profile."""
        repository = self._must_open()
        states = [history.states[-1] for history in self._book.files.values() if history.seeded and history.states]
        return repository.message(max(states, key=lambda state: state.at).commit) if states else ""

    def _ensure(self, at: datetime) -> None:
        if not exists(self.path):
            make_repository(self.path, at)

    def _open(self) -> Repository | None:
        if self._repository is None and exists(self.path):
            self._repository = Repository(self.path)
        if self._repository is not None:
            Writer(self._repository).settle()
        return self._repository

    def _must_open(self) -> Repository:
        repository = self._open()
        if repository is None:
            raise StorageError(f"there is no repository of profiles at {self.path}")
        return repository
