"""The pipeline: the whole one-way flow of a run on one screen.

    plan -> adapt -> describe -> sign -> pack

Every stage is a function of values and paths; ``run`` is their one composition. A plain runner calls them one after
another, the Prefect flow makes each a task. Stages hand over paths and digests, never tables.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from adapters.adapter import Adapted, PolicySnapshot, Request
from bundle.build import PayloadFile, write_bundle
from bundle.envelope import sign_envelope
from bundle.errors import SigningError
from flows.description import Draft, describe
from flows.errors import EmptySelectionError, SigningFailedError, StorageError
from flows.memory import keep_arrow_memory
from flows.order import DisorderError
from flows.selection import Scan, batches, sorted_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from bundle.build import Written
    from bundle.keys import Signer
    from bundle.manifest import Manifest
    from flows.planning import PinnedTable, Plan

Result = TypeVar("Result")

UNWRITABLE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG))
"""What only happens to those who write."""


def no_progress(table: str, records: int, plain_bytes: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the rim hands a run: where to write, with which key, with how many threads.

    ``out`` is the bundle's path, or an existing folder in which the bundle gets its default name.
    """

    out: Path
    signer: Signer
    workers: int = 2
    memory_limit: str = "384MB"
    progress: Callable[[str, int, int], None] = field(default=no_progress)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished bundle."""

    manifest: Manifest
    written: Written

    def summary(self) -> dict[str, Any]:
        """Return the facts a caller wants to print, as JSON values."""
        return {
            "bundle": str(self.written.path),
            "sha256": self.written.sha256,
            "contentDigest": self.manifest.content_digest,
            "records": self.manifest.counts.records,
            "bytes": self.written.bytes,
        }


class Step(Protocol):
    """Runs one stage: plainly, or as a task of an engine."""

    def __call__(self, name: str, stage: Callable[..., Result], *arguments: object) -> Result:
        """Call ``stage(*arguments)`` and return its result."""


def plainly(name: str, stage: Callable[..., Result], *arguments: object) -> Result:  # noqa: ARG001 - engines show it
    """Run a stage here and now."""
    return stage(*arguments)


def run(plan: Plan, parts: Parts, *, step: Step = plainly) -> Exported:
    """Make the bundle that a plan describes, at ``parts.out``; leave nothing behind on failure.

    Raises:
        EmptySelectionError: Nothing matched, and the plan does not allow that.
        FlowError, BundleError: A stage failed; the message says which input and why.
    """
    keep_arrow_memory()
    with _staging(parts.out) as staging:
        adapted = step("adapt", adapt, plan, parts, staging)
        draft = step("describe", describe, plan, adapted, parts, staging)
        envelope = step("sign", sign, draft.manifest, parts.signer)
        written = step("pack", pack, plan, parts, draft, envelope)
    return Exported(manifest=draft.manifest, written=written)


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Make a folder beside the bundle's place, and remove it whatever happens."""
    with writing(out):
        folder = folder_of(out)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as staging:
            yield Path(staging)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Say of errors of the operating system what they kept from being written, or from being read."""
    try:
        yield
    except OSError as error:
        raise _told(error, out) from error


def _told(error: OSError, out: Path) -> StorageError:
    """Return an error that names what is concerned: the bundle's place, or a file elsewhere that the run needed."""
    reason, name = error.strerror or str(error), os.fsdecode(error.filename or "")
    if not name or _is_place(Path(name).absolute(), out.absolute()):
        return StorageError(
            f"the bundle {out} could not be written: {reason}",
            advice="Nothing was left behind; make room or choose another place with --out.",
        )
    done = "written" if error.errno in UNWRITABLE else "read"
    advice = "Nothing was left behind; `export-center doctor` looks for faults."
    return StorageError(f"{name} could not be {done}: {reason}", advice=advice)


def _is_place(path: Path, out: Path) -> bool:
    """Whether a path belongs to the place of a bundle: it is in its folder, or leads there."""
    folder = out.parent
    with suppress(OSError):  # of a name that no file can have
        folder = folder_of(out)
    return folder in (path, *path.parents) or path in folder.parents


def folder_of(out: Path) -> Path:
    """Return the folder of a bundle's place, which is itself when it is a folder that exists."""
    return out if out.is_dir() else out.parent


def adapt(plan: Plan, parts: Parts, staging: Path) -> Adapted:
    """Select records and let the adapter write them; fall back to sorting when files turn out not to be in order."""
    try:
        adapted = plan.adapter.adapt(_request(plan, parts, staging, read=batches))
    except DisorderError:
        adapted = plan.adapter.adapt(_request(plan, parts, staging, read=sorted_batches))
    if not adapted.tally.records and not plan.allow_empty:
        raise EmptySelectionError(
            f"no record matches the selectors of profile {plan.profile.profile_id}",
            advice="See `export-center evidence stats`, widen the selectors, or pass --allow-empty.",
        )
    return adapted


def sign(manifest: Manifest, signer: Signer) -> dict[str, bytes]:
    """Sign a manifest and its provenance.

    Raises:
        SigningFailedError: The key is unfit, or its service refused; nothing is published.
    """
    try:
        return sign_envelope(manifest, signer)
    except SigningError as error:
        raise SigningFailedError(error.message, advice=error.advice) from error


def pack(plan: Plan, parts: Parts, draft: Draft, envelope: dict[str, bytes]) -> Written:
    """Write the archive beside its place and rename it there."""
    files = [PayloadFile(staged.member, staged.path) for staged in draft.payload]
    out = parts.out / default_name(plan, draft.manifest) if parts.out.is_dir() else parts.out
    return write_bundle(out, layout=plan.profile.layout, envelope=envelope, payload=files)


def default_name(plan: Plan, manifest: Manifest) -> str:
    """Return a file name that says which profile made the bundle, and tells different contents apart."""
    suffix = "" if plan.profile.layout == "dir" else f".{plan.profile.layout}"
    return f"export-{plan.profile.profile_id}-{manifest.content_digest[:12]}{suffix}"


def _request(plan: Plan, parts: Parts, staging: Path, *, read: Callable[[Scan], Iterator[pa.RecordBatch]]) -> Request:
    def opener(table: PinnedTable) -> Callable[[], Iterator[pa.RecordBatch]]:
        return lambda: read(
            Scan(
                files=table.files,
                selectors=plan.selectors,
                spill=staging / "spill",
                memory_limit=parts.memory_limit,
                threads=parts.workers,
            )
        )

    return Request(
        tables={table.name: opener(table) for table in plan.tables},
        policy=PolicySnapshot(**msgspec.structs.asdict(plan.policy)) if plan.policy else None,
        options={},
        staging=staging,
        frames=plan.frames,
        workers=parts.workers,
        progress=parts.progress,
    )
