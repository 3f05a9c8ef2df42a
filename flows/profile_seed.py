"""The first commit of the repository of profiles, and keeping its copies of built-in profiles up to date.

The copies show people what is there; a copy that nobody edited is not read, the program's own file is.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from dulwich.repo import Repo

import bundle
from flows.profile_changes import Wanted
from flows.profile_commits import Writer
from flows.profile_faults import told
from flows.profile_git import BRANCH, COMMITTER, Repository, Signature
from flows.profile_locks import exclusively
from flows.profiles import builtin_bytes, builtin_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from flows.profile_history import History

README = """\
# Profiles

`TENANT/ID.yaml` is the profile ID of TENANT; `ID.yaml` here at the root is shared by all tenants. What is committed on
the branch that is checked out counts. The service and `export-center profile` commit here, each change with its author;
so can you, with git:

    $EDITOR acme/prof-weekly.yaml
    export-center profile lint acme/prof-weekly.yaml
    git commit -m "Keep weekly bundles for a year" acme/prof-weekly.yaml

Files at the root that have the name of a built-in profile are copies. An edited copy takes the place of the built-in
profile for everybody. Do not rewrite commits: runs name them, and revisions are counted along them.
"""
ATTRIBUTES = "*.yaml -text\n"

_VERSION = re.compile(r"Built-in profiles of version (?P<version>\d+(\.\d+)*)")


def exists(path: Path) -> bool:
    """Whether there is something at the place of the repository: an empty folder is nothing."""
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def make_repository(path: Path, at: datetime) -> None:
    """Make the repository, whole or not at all, unless it is there meanwhile."""
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusively(path.with_name(f".{path.name}.lock"), path):
            if exists(path):
                return
            draft = path.with_name(f".{path.name}.new")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            Repo.init(os.fspath(draft), default_branch=BRANCH).close()
            _first_commit(draft, at)
            draft.replace(path)


def refresh(files: Mapping[str, History], seeded_by: str) -> Wanted | None:
    """Return the commit that brings copies of built-in profiles up to this version; None when there is nothing to do.

    Args:
        files: What the repository holds.
        seeded_by: The message of the commit that last did this.
    """
    if _number(seeded_by) >= _number(_message()):
        return None
    copies = {f"{name}.yaml": builtin_bytes(name) for name in builtin_profiles()}
    stale = {path: data for path, data in copies.items() if path not in files or files[path].seeded}
    return Wanted(stale, _message()) if stale else None


def _first_commit(draft: Path, at: datetime) -> None:
    repository = Repository(draft)
    files = {f"{name}.yaml": builtin_bytes(name) for name in builtin_profiles()}
    files |= {"README.md": README.encode(), ".gitattributes": ATTRIBUTES.encode()}
    writer = Writer(repository)
    with writer.locked():
        writer.commit(repository.head(), files, Signature(COMMITTER, at), _message())
    repository.close()


def _message() -> str:
    return f"Built-in profiles of version {bundle.__version__}"


def _number(message: str) -> tuple[int, ...]:
    found = _VERSION.match(message)
    return tuple(map(int, found["version"].split("."))) if found else ()
