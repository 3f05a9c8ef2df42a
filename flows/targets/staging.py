"""The folder where an installation keeps the bundles of one tenant.

    blobs/<sha256>                     bytes, once for all runs that made the same
    <runId>/export-<runId>.<layout>    a run's bundle: another name of these bytes
    <runId>/.making-…/                 a run at work; gone when it is over

Names and blobs are hard links of the same file, so that the file system counts who needs the bytes: a run's name can go
without a look at others, and a blob goes when nobody but itself names its bytes. A download that has the file open
keeps the bytes, whatever goes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.durable import make_durable
from flows.tenants import is_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK = ".making-"
UNLINKED = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV))
"""What file systems say that cannot give a file another name, or no further one."""


@dataclass(frozen=True)
class Staging:
    """The bundles of one tenant, below a folder."""

    folder: Path

    @classmethod
    def of(cls, bundles: Path, tenant: str) -> Staging:
        """Return the bundles of a tenant, below the folder of all.

        Raises:
            ValueError: No tenant can be called so; nothing is written outside of the folder, whoever names it.
        """
        if not is_tenant(tenant):
            raise ValueError(f"{tenant!r} is not the name of a tenant")
        return cls(bundles / tenant)

    @property
    def blobs(self) -> Path:
        """Where the bytes are kept by their digest."""
        return self.folder / "blobs"

    def of_run(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self.folder / run_id

    def bundle(self, run_id: str, layout: str) -> Path:
        """Return where the bundle of a run is found."""
        return self.of_run(run_id) / f"export-{run_id}.{layout}"

    @contextmanager
    def making(self, run_id: str) -> Iterator[Path]:
        """Make an empty folder for a run to work in, and remove it when the run is done with it.

        A process of the run that is thought to be dead may be at work beside it, in another one.
        """
        self.of_run(run_id).mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=self.of_run(run_id)))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def tidy(self, run_id: str) -> None:
        """Remove what processes of a run left that did not bring it to its end."""
        for work in self.of_run(run_id).glob(f"{WORK}*"):
            shutil.rmtree(work, ignore_errors=True)

    def has(self, digest: str) -> bool:
        """Whether the bytes are here; those that are no longer what they were are thrown away."""
        blob = self.blobs / digest
        try:
            with blob.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return False
        if found != digest:
            blob.unlink(missing_ok=True)
        return found == digest

    def put(self, source: Path, digest: str) -> None:
        """Keep the bytes of a file."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        share(source, self.blobs / digest, aside=source.parent)

    def point(self, digest: str, name: Path) -> None:
        """Give bytes the name of a run's bundle, in place of whatever has it.

        Raises:
            FileNotFoundError: They are not here.
        """
        name.parent.mkdir(parents=True, exist_ok=True)
        share(self.blobs / digest, name, aside=name.parent)
        make_durable(self.folder)

    def remove(self, run_id: str) -> None:
        """Remove all that a run has here; others may be at it too.

        Raises:
            OSError: Something is still there.
        """
        shutil.rmtree(self.of_run(run_id), onerror=_unless_gone)

    def clear(self, run_id: str) -> None:
        """Remove all that a run has here, and the bytes that nobody else needs.

        Raises:
            OSError: Something is still there.
        """
        self.remove(run_id)
        self.sweep()

    def sweep(self) -> None:
        """Remove blobs whose bytes no run has.

        One that is just put is not among them: it is another name of the file that its run is about to send. Should a
        run come for one at this very moment, it finds it gone, and puts its own.
        """
        with suppress(FileNotFoundError), os.scandir(self.blobs) as found:
            for blob in found:
                with suppress(FileNotFoundError):
                    if blob.stat(follow_symlinks=False).st_nlink == 1:
                        Path(blob.path).unlink()


def share(source: Path, name: Path, *, aside: Path) -> None:
    """Give a file a further name, in place of whatever has that name; a copy, where that cannot be.

    The name is there with all bytes, or not at all, and on disk when this returns.

    Args:
        source: The file.
        name: Its further name.
        aside: Folder of the same file system for what is not ready.

    Raises:
        FileNotFoundError: There is no such file.
    """
    beside = aside / f".{name.name}.{uuid.uuid4().hex}.partial"
    try:
        _link_or_copy(source, beside)
        beside.rename(name)
    finally:
        # A rename leaves both names when they are of one file already.
        beside.unlink(missing_ok=True)
    make_durable(name.parent)


def _link_or_copy(source: Path, name: Path) -> None:
    try:
        os.link(source, name)
    except OSError as error:
        if error.errno not in UNLINKED:
            raise
        shutil.copyfile(source, name)
        make_durable(name)


def _unless_gone(_remove: object, _path: object, failed: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(failed[1], FileNotFoundError):
        raise failed[1]
