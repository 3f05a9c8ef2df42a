"""Ingest: documents in, observations out; what is there already is not stored again, and nothing is lost.

Workers derive rows and stage them on disk. One process then compares their keys with the current state, sorts them in
the order of export, and appends the rows a few hundred megabytes a commit. The snapshot row comes last.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.commit import commit_staged
from evidence.documents import store_documents
from evidence.errors import StorageError, ValidationError, reason_of
from evidence.found import EMPTY_LINES
from evidence.names import checked_source, checked_tenant
from evidence.scratch import scratch_folder
from evidence.staging import Staged, stage_chunk
from evidence.walk import walk
from evidence.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from datetime import datetime

    from evidence.found import Document
    from evidence.store import Store

CHUNK_BYTES = 4 << 20
CHUNK_DOCUMENTS = 1_000
INLINE_BYTES = 3 << 20
"""Inputs smaller than this on disk are read here; starting processes would take longer."""


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """What the caller wants; the time comes from outside."""

    tenant: str
    observed_at: datetime
    source: str | None = None
    kind: str | None = None
    sync: bool = False
    allow_removals: int | None = None
    workers: int = 2


@dataclass
class IngestReport:
    """What became of every document: seen = stored + unchanged + superseded + quarantined.

    ``unchanged`` are documents that the store, or this call, has already. ``superseded`` are documents whose key
    occurs again in the same call with other bytes that were preferred; ``conflicts`` names some of those keys.
    ``removed`` are tombstones, which were not seen.
    """

    seen: int = 0
    stored: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    removed: int = 0
    snapshot: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)

    @classmethod
    def of_documents(cls, counts: dict[str, Any]) -> IngestReport:
        """Return the report on policy snapshots or consensus documents."""
        return cls(**counts)

    def to_builtins(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    def count(self, staged: Staged) -> None:
        """Add what became of one chunk."""
        self.seen += staged.seen
        self.quarantined += staged.quarantined
        self.sources.update(staged.sources)
        self.formats.update(staged.formats)
        self.reasons.update(staged.reasons)


def ingest(
    store: Store, paths: list[Path], options: IngestOptions, *, progress: Callable[[int, int], None] = lambda *_: None
) -> IngestReport:
    """Ingest paths into a store.

    Args:
        store: Where to.
        paths: Folders, archives, files of JSON lines, single files.
        options: What is wanted.
        progress: Called with the documents and bytes read so far.

    Raises:
        ValidationError: The options contradict each other, or a sync would remove too much.
        StorageError: The store cannot be read or written, or a sync could not read all of PATH; nothing of this
            call is visible then.
    """
    source = _checked(options, paths)
    if options.kind is not None:
        return IngestReport.of_documents(store_documents(store, paths, options))
    # A store that cannot be read is better known before the work than after it.
    store.snapshot()
    report = IngestReport()
    with scratch_folder(store) as folder:
        size = 0
        for staged in _staged(_unbroken(walk(paths, source), options), paths, options, folder):
            size += staged.bytes
            report.count(staged)
            progress(report.seen, size)
        if options.sync and report.seen == report.reasons[EMPTY_LINES] and options.allow_removals is None:
            raise ValidationError(
                f"there is nothing to sync source {source} with: PATH has no document",
                advice="If everything is to be removed, pass --allow-removals N. Nothing was changed.",
            )
        done = commit_staged(store, folder, options, source)
    report.stored, report.unchanged, report.superseded = done.stored, done.unchanged, done.superseded
    report.removed, report.snapshot, report.conflicts = done.removed, done.snapshot, list(done.conflicts)
    return report


def _checked(options: IngestOptions, paths: list[Path]) -> str | None:
    """Return the name of the source as it is stored; None when it is derived."""
    checked_tenant(options.tenant)
    if options.sync and options.source is None:
        raise ValidationError("--sync needs --source: it says whose whole truth PATH is")
    if options.sync and options.kind is not None:
        raise ValidationError("--sync and --kind do not go together: such documents are only ever added")
    if options.allow_removals is not None and (options.allow_removals < 0 or not options.sync):
        raise ValidationError("--allow-removals needs --sync and a number that is not negative")
    for path in paths:
        try:
            path.stat()
        except (OSError, ValueError) as error:
            raise ValidationError(f"{path} cannot be ingested: {reason_of(error)}") from error
    return None if options.source is None else checked_source(options.source)


def _unbroken(documents: Iterator[Document], options: IngestOptions) -> Iterator[Document]:
    """Pass documents on; a sync ends at the first that could not be read: what follows it may only seem missing."""
    for document in documents:
        if options.sync and document.broken:
            raise StorageError(
                f"the sync ended: {document.origin} {document.problem}", advice="Nothing was stored or removed."
            )
        yield document


def _staged(documents: Iterator[Document], paths: list[Path], options: IngestOptions, folder: Path) -> Iterator[Staged]:
    """Derive all chunks: here when there is little to do, else in processes, a few chunks ahead of their results."""
    jobs = ((chunk, options.tenant, folder, number) for number, chunk in enumerate(_chunks(documents), start=1))
    if options.workers < 2 or not _larger(paths, INLINE_BYTES):  # noqa: PLR2004 - one worker is this process
        yield from (stage_chunk(*job) for job in jobs)
        return
    try:
        with worker_pool(options.workers) as pool:
            waiting: deque[Future[Staged]] = deque()
            for job in jobs:
                waiting.append(pool.submit(stage_chunk, *job))
                if len(waiting) > 2 * options.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise StorageError(
            "a process that reads documents ended unexpectedly",
            advice="Is there enough memory? Fewer --workers need less. Nothing of this ingest was stored.",
        ) from error


def _larger(paths: list[Path], limit: int) -> bool:
    """Whether the files below some paths are larger than a limit together; reads no further than it must."""
    size = 0
    for path in paths:
        for file in _files(path):
            try:
                size += file.stat(follow_symlinks=False).st_size
            except OSError:  # whoever reads it will say why
                continue
            if size > limit:
                return True
    return False


def _files(path: Path) -> Iterator[Path]:
    yield path
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)


def _chunks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.data)
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_DOCUMENTS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
