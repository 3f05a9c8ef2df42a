"""The git repository of profiles, as it is read: its head, its files, and what each commit changed.

What is committed counts; the work tree is a place where people edit. Nothing here writes but ``store``, which adds
objects that no branch names yet.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import HEADREF, Ref
from dulwich.repo import Repo

from flows.errors import StorageError
from flows.profile_faults import told
from flows.profile_trees import NOTHING, Change, Trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dulwich.objects import ShaFile

    Found = TypeVar("Found", Blob, Commit)

BRANCH = b"main"
COMMITTER = "export-center"
FOLDER = "export-center"
"""Where our own files are, inside the control folder."""
REQUEST = "Request: "
"""Begins the line of a commit's message that says which request made it."""
_LATELY = 1000
"""So many commits are looked at for the one that a repeated request made."""
_FILE, _FOLDER = 0o100644, 0o040000
_NO_IDENTITY = re.compile(r"[<>\x00-\x1f]+")


class Head(NamedTuple):
    """Where a repository stands: the branch that is checked out, and its commit; None before the first."""

    branch: Ref
    commit: str | None


class Signature(NamedTuple):
    """Who changes a profile, as in ``user:ops``, and when; ``request`` is what the same request bears when repeated."""

    name: str
    at: datetime
    request: str = ""


class Revision(NamedTuple):
    """A commit as far as the history of profiles needs it; ``ours`` when this program made it."""

    commit: str
    author: str
    at: int
    ours: bool


class Repository:
    """An open repository, until ``close`` is called. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        """Open a repository, bare or with a work tree.

        Raises:
            StorageError: There is none.
        """
        with told(path):
            self._repo = Repo(os.fspath(path))
        # Python's end would otherwise find packs open, and complain.
        self.close = weakref.finalize(self, self._repo.close)
        self._trees = Trees(self._repo.object_store)
        self.path = path
        self.work_tree = None if self._repo.bare else Path(self._repo.path)
        self.control = Path(os.fsdecode(self._repo.controldir()))
        self.common = Path(os.fsdecode(self._repo.commondir()))

    @property
    def index_path(self) -> Path:
        """Where git keeps what is staged."""
        return Path(os.fsdecode(self._repo.index_path()))

    @property
    def remote(self) -> Repo:
        """The repository as dulwich knows it, for exchanges with others."""
        return self._repo

    def head(self) -> Head:
        """Return the branch and commit that are checked out.

        Raises:
            StorageError: No branch is checked out.
        """
        names, commit = self._repo.refs.follow(HEADREF)
        if len(names) == 1:
            raise StorageError(
                f"no branch is checked out in {self.path}", advice="Run `git switch main` there, or finish the rebase."
            )
        return Head(Ref(names[-1]), commit.decode() if commit else None)

    def commit_of(self, branch: Ref) -> str | None:
        """Return the commit of a branch."""
        found = self._repo.refs.read_ref(branch)
        return None if found is None else found.decode()

    def back_from(self, commit: str, most: int) -> Iterator[str]:
        """Yield a commit and those before it, along first parents."""
        found: str | None = commit
        while found is not None and most:
            yield found
            found, most = self._parent(found), most - 1

    def files(self, commit: str | None) -> dict[str, str]:
        """Return every profile of a commit: path to blob."""
        return {change.path: change.blob for change in self._trees.between(None, self._tree_of(commit)) if change.blob}

    def data(self, blob: str) -> bytes:
        """Return the bytes of a file."""
        return self._get(blob, Blob).data

    def since(self, commit: str | None, known: str | None) -> tuple[list[str], bool]:
        """Return the commits from a known one, exclusively, to another, oldest first, along first parents.

        Returns:
            The commits, and whether the known one was met; else they go back to the very first.
        """
        found: list[str] = []
        while commit is not None and commit != known:
            found.append(commit)
            commit = self._parent(commit)
        return found[::-1], commit == known and known is not None

    def changes(self, commit: str) -> list[Change]:
        """Return the profiles that a commit changed, against its first parent."""
        return list(self._trees.between(self._tree_of(self._parent(commit)), self._tree_of(commit)))

    def revision(self, commit: str) -> Revision:
        """Return who made a commit and when."""
        read = self._get(commit, Commit)
        ours = _person(read.committer)[0] == COMMITTER
        name, address = _person(read.author)
        return Revision(commit, name if ours else f"user:{address or name}", read.author_time, ours)

    def message(self, commit: str) -> str:
        """Return what the author of a commit said about it."""
        return str(self._get(commit, Commit).message.decode(errors="replace"))

    def done(self, head: str | None, request: str) -> str | None:
        """Return the message of the commit that a request made, if it made one lately."""
        commits = () if head is None else self.back_from(head, _LATELY)
        messages = (self.message(each) for each in commits)
        return next((each for each in messages if each.rstrip().endswith(f"\n{REQUEST}{request}")), None)

    def store(self, parent: str | None, files: Mapping[str, bytes], signature: Signature, message: str) -> str:
        """Store a commit that sets some files, and return its id; no branch names it yet."""
        if signature.request:
            message = f"{message}\n\n{REQUEST}{signature.request}"
        tree = self._tree_of(parent)
        for path, data in files.items():
            blob = Blob.from_string(data)
            self._keep(blob)
            tree = self._with_file(tree, path.split("/"), blob.id)
        made = Commit()
        made.tree = ObjectID((tree or self._keep(Tree())).encode())
        made.parents = [] if parent is None else [ObjectID(parent.encode())]
        made.author, made.committer = _identity(signature.name), _identity(COMMITTER)
        made.author_time = made.commit_time = int(signature.at.astimezone(UTC).timestamp())
        made.author_timezone = made.commit_timezone = 0
        made.encoding = b"UTF-8"
        made.message = message.encode(errors="replace") + b"\n"
        return self._keep(made)

    def blob_at(self, commit: str | None, path: str) -> str | None:
        """Return the blob of any file of a commit, None when there is no such file."""
        *folders, name = path.split("/")
        tree = self._tree_of(commit)
        for folder in folders:
            tree = self._trees.below(tree, folder.encode())
        mode, blob = self._trees.entries(tree).get(name.encode(), NOTHING)
        return blob.decode() if stat.S_ISREG(mode) else None

    def _with_file(self, tree: str | None, parts: list[str], blob: ObjectID) -> str:
        """Store a tree that has a file at a path, and return its id."""
        name, rest = parts[0].encode(), parts[1:]
        changed = Tree()
        for known, (mode, found) in self._trees.entries(tree).items():
            changed.add(known, mode, found)
        if rest:
            below = self._with_file(self._trees.below(tree, name), rest, blob)
            changed.add(name, _FOLDER, ObjectID(below.encode()))
        else:
            changed.add(name, _FILE, blob)
        return self._keep(changed)

    def _keep(self, made: ShaFile) -> str:
        """Store an object whole or not at all; a crash leaves nothing that blocks the next attempt."""
        name = made.id.decode()
        folder = self.common / "objects" / name[:2]
        folder.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix="tmp_obj_", dir=folder.parent, delete=False) as file:
            file.write(made.as_legacy_object())
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        Path(file.name).replace(folder / name[2:])
        return name

    def _tree_of(self, commit: str | None) -> str | None:
        return None if commit is None else str(self._get(commit, Commit).tree.decode())

    def _parent(self, commit: str) -> str | None:
        """Return the first parent; None also where a shallow clone ends."""
        parents = self._get(commit, Commit).parents
        return parents[0].decode() if parents and parents[0] in self._repo.object_store else None

    def _get(self, name: str, kind: type[Found]) -> Found:
        found = self._repo.object_store[ObjectID(name.encode())]
        if not isinstance(found, kind):
            raise TypeError(f"{name} is no {kind.__name__.lower()}")
        return found


def _person(identity: bytes) -> tuple[str, str]:
    name, _, address = identity.decode(errors="replace").partition("<")
    return name.strip(), address.partition(">")[0].strip()


def _identity(name: str) -> bytes:
    """Return a name as git takes it; we know no address of callers, and invent none."""
    return f"{_NO_IDENTITY.sub('', name).strip() or 'unknown'} <>".encode(errors="replace")
