"""Committing to the repository of profiles: whole or not at all, whoever else writes, whenever the power fails.

The order, which ``settle`` can take up at any point:

1. The file ``lock`` is locked: one of our processes at a time. The system frees it when its holder dies.
2. ``index.lock`` is taken, as git takes it: nobody commits by hand meanwhile.
3. The commit is stored, and written down as pending: the branch, its old and new commit, the files.
4. The branch moves, if it still stands where it stood. From here on the commit counts.
5. The work tree and the index follow, file by file, and the locks and the note of 3 are removed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from dulwich.index import IndexEntry
from dulwich.objects import ObjectID
from dulwich.refs import Ref

from flows.errors import ProfileConflictError, StorageError
from flows.profile_faults import told
from flows.profile_git import FOLDER
from flows.profile_index import index_bytes, read_index
from flows.profile_locks import WAIT_SECONDS, Lock, exclusively, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from flows.profile_git import Head, Repository, Signature

_FAR_BACK = 1000


class Moved(Exception):  # noqa: N818 - nothing is wrong; somebody was faster
    """The branch moved while a change was made: look again, and repeat."""


class ChangedFile(msgspec.Struct, frozen=True):
    """A file of a commit; ``old`` and ``new`` are blobs, ``old`` None for a new file."""

    path: str
    old: str | None
    new: str


class Pending(msgspec.Struct, frozen=True):
    """A commit that is under way."""

    branch: str
    old: str | None
    new: str
    files: tuple[ChangedFile, ...]


class Writer:
    """Commits to one repository."""

    def __init__(self, repository: Repository) -> None:
        """Take a repository; nothing is written yet."""
        self._repository = repository
        self._folder = repository.control / FOLDER
        self._pending = self._folder / "pending.json"
        self._index_lock = Lock(self._folder / "index", repository.index_path)

    @contextmanager
    def locked(self, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
        """Keep our other processes away, and finish what one of them could not.

        Raises:
            StorageError: Another one does not let go, or the repository cannot be written.
        """
        with told(self._repository.path):
            self._folder.mkdir(exist_ok=True)
            with exclusively(self._folder / "lock", self._repository.path, wait=wait):
                self._settle()
                yield

    def await_git(self) -> None:
        """Wait until nobody commits by hand.

        Raises:
            StorageError: Somebody does for too long.
        """
        self._index_lock.await_theirs()

    def settle(self) -> None:
        """Finish what a process could not that died while it wrote, unless somebody is writing now."""
        if (self._pending.exists() or self._index_lock.is_ours()) and not self._index_lock.is_theirs():
            try:
                with self.locked(wait=0):
                    pass
            except StorageError:
                return

    def commit(self, head: Head, files: Mapping[str, bytes], signature: Signature, message: str) -> str:
        """Set files and return the commit that did; to be called inside ``locked``.

        Raises:
            Moved: The branch is not at ``head`` any more.
            ProfileConflictError: A file was edited and not committed, or a merge is under way.
            StorageError: Something cannot be written.
        """
        try:
            with told(self._repository.path):
                return self._commit(head, files, signature, message)
        finally:
            with told(self._repository.path):
                self._settle()

    def advance(self, head: Head, new: str, paths: Iterator[str]) -> None:
        """Move the branch to a stored commit, and let the work tree follow for some paths; as ``commit``."""
        changes = tuple(
            ChangedFile(path, self._repository.blob_at(head.commit, path), blob)
            for path in paths
            if (blob := self._repository.blob_at(new, path)) is not None
        )
        try:
            with told(self._repository.path):
                self._move(head, new, changes)
        finally:
            with told(self._repository.path):
                self._settle()

    def _commit(self, head: Head, files: Mapping[str, bytes], signature: Signature, message: str) -> str:
        self._refuse_merges()
        self._refuse_files_as_folders(head, files)
        old = {path: self._repository.blob_at(head.commit, path) for path in files}
        if self._repository.work_tree is not None:
            self._index_lock.take()
            self._refuse_moves(head)
            self._refuse_edits(old)
        new = self._repository.store(head.commit, files, signature, message)
        changes = tuple(ChangedFile(path, old[path], self._repository.blob_at(new, path) or "") for path in files)
        self._move(head, new, changes)
        return new

    def _move(self, head: Head, new: str, changes: tuple[ChangedFile, ...]) -> None:
        """Write down what is about to happen, and let it happen."""
        pending = Pending(head.branch.decode(), head.commit, new, changes)
        write_whole(self._pending, msgspec.json.encode(pending))
        lock = self._branch_lock(pending)
        lock.take(f"{new}\n".encode())
        self._refuse_moves(head)
        lock.put()

    def _settle(self) -> None:
        """Bring work tree and index to where the branch is, and remove every trace of a commit under way."""
        pending = self._read_pending()
        if pending is not None:
            self._branch_lock(pending).drop()
            if self._happened(pending):
                self._follow(pending)
            self._pending.unlink(missing_ok=True)
        self._index_lock.drop()

    def _read_pending(self) -> Pending | None:
        try:
            return msgspec.json.decode(self._pending.read_bytes(), type=Pending)
        except FileNotFoundError:
            return None

    def _branch_lock(self, pending: Pending) -> Lock:
        return Lock(self._folder / "branch", self._repository.common / pending.branch)

    def _happened(self, pending: Pending) -> bool:
        commit = self._repository.commit_of(Ref(pending.branch.encode()))
        return commit is not None and pending.new in self._repository.back_from(commit, _FAR_BACK)

    def _follow(self, pending: Pending) -> None:
        if self._repository.work_tree is None:
            return
        self._index_lock.take()
        for file in pending.files:
            if self._content(file.path) == (None if file.old is None else self._repository.data(file.old)):
                self._check_out(file)
        self._index_lock.put(self._index_with(pending.files))

    def _check_out(self, file: ChangedFile) -> None:
        place = self._place(file.path)
        place.parent.mkdir(exist_ok=True)
        write_whole(place, self._repository.data(file.new), by_way_of=self._folder / "file.new")

    def _index_with(self, files: tuple[ChangedFile, ...]) -> bytes:
        """Return the index in which some files are as committed, unless somebody staged something else there."""
        entries, version = read_index(self._repository.index_path)
        for file in files:
            name = file.path.encode()
            staged = getattr(entries.get(name), "sha", None)
            if staged == (None if file.old is None else file.old.encode()):
                blob = ObjectID(file.new.encode())
                entries[name] = IndexEntry((0, 0), (0, 0), 0, 0, 0o100644, 0, 0, 0, blob)
        return index_bytes(entries, version)

    def _refuse_moves(self, head: Head) -> None:
        if self._repository.head() != head:
            raise Moved

    def _refuse_merges(self) -> None:
        for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
            if (self._repository.control / name).exists():
                raise ProfileConflictError(
                    f"a merge is under way in {self._repository.path}", advice="Commit it, or undo it, there."
                )

    def _refuse_files_as_folders(self, head: Head, files: Mapping[str, bytes]) -> None:
        for path in files:
            folder, _, _ = path.rpartition("/")
            if folder and self._repository.blob_at(head.commit, folder) is not None:
                raise ProfileConflictError(
                    f"{folder} in {self._repository.path} is a file, where the folder of a tenant would be",
                    advice="Rename that file and commit it.",
                )

    def _refuse_edits(self, old: Mapping[str, str | None]) -> None:
        entries, _ = read_index(self._repository.index_path)
        for path, blob in old.items():
            committed = None if blob is None else self._repository.data(blob)
            staged = getattr(entries.get(path.encode()), "sha", None)
            if self._content(path) != committed or staged != (None if blob is None else blob.encode()):
                raise ProfileConflictError(
                    f"{path} in {self._repository.path} was edited by hand and is not committed",
                    advice="Commit the edit there, or undo it, and try again.",
                )

    def _place(self, path: str) -> Path:
        assert self._repository.work_tree is not None  # noqa: S101 - bare ones never come here
        place = self._repository.work_tree / path
        if place.parent.is_symlink() or (place.parent.exists() and not place.parent.is_dir()):
            raise ProfileConflictError(f"{place.parent} is no folder", advice="Put a folder in its place.")
        return place

    def _content(self, path: str) -> bytes | None:
        try:
            return self._place(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
