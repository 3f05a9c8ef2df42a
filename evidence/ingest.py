"""Ingest: documents in, observations out; what is there already is not stored again, and nothing is lost.

Workers derive rows and stage them on disk; one process then compares them with the current state, sorts them in the
order of export, and appends them in one commit a table. The snapshot row comes last.
"""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.archives import walk
from evidence.current import Removal, append_new, removals
from evidence.documents import store_documents
from evidence.errors import ValidationError
from evidence.schema import KIND_OF_TABLE
from evidence.staging import Staged, stage_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from evidence.archives import Document
    from evidence.store import Store

CHUNK_BYTES = 4 << 20
CHUNK_DOCUMENTS = 400
INLINE_BYTES = 3 << 20
"""Inputs smaller than this on disk are read here; starting processes would take longer."""

SAFE_REMOVALS = 0.10


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
    """What became of every document: seen = stored + unchanged + superseded + quarantined."""

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

    @classmethod
    def of_documents(cls, counts: dict[str, int]) -> IngestReport:
        """Return the report on policy snapshots or consensus documents."""
        return cls(
            seen=counts["seen"],
            stored=counts["stored"],
            unchanged=counts["unchanged"],
            snapshot=counts["snapshot"],
        )

    def to_builtins(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return numbers | {"sources": dict(self.sources), "formats": dict(self.formats)}


def ingest(
    store: Store, paths: list[Path], options: IngestOptions, *, progress: Callable[[int, int], None] = lambda *_: None
) -> IngestReport:
    """Ingest paths into a store.

    Raises:
        ValidationError: The options contradict each other, or a sync would remove too much.
        StorageError: A path or the store cannot be read or written; nothing of this call is visible then.
    """
    _check(options, paths)
    if options.kind is not None:
        return IngestReport.of_documents(store_documents(store, paths, options))
    report = IngestReport()
    with store.lock(), tempfile.TemporaryDirectory(prefix=".ingest-", dir=store.root) as folder:
        staged = _stage(paths, options, Path(folder), report, progress)
        snapshot = store.snapshot()
        revision = snapshot.revision + 1
        removed = _removals(store, options, staged, Path(folder))
        for table in KIND_OF_TABLE:
            counts = append_new(
                store, table, Path(folder), revision=revision, observed_at=options.observed_at, removed=removed
            )
            report.stored += counts.stored
            report.unchanged += counts.unchanged
            report.superseded += counts.superseded
            report.removed += counts.removed
        fresh = append_new(
            store, "quarantine", Path(folder), revision=revision, observed_at=options.observed_at, removed=None
        ).stored
        if report.stored or report.removed or fresh:
            snapshot = store.commit(revision=revision, made_at=options.observed_at)
        report.snapshot = snapshot.id
    return report


def _check(options: IngestOptions, paths: list[Path]) -> None:
    if options.sync and options.source is None:
        raise ValidationError("--sync needs --source: it says whose whole truth PATH is")
    for path in paths:
        if not path.exists():
            raise ValidationError(f"{path} does not exist")


def _stage(
    paths: list[Path], options: IngestOptions, folder: Path, report: IngestReport, progress: Callable[[int, int], None]
) -> list[Staged]:
    results = []
    size = 0
    for staged in _run(paths, options, folder):
        results.append(staged)
        size += staged.bytes
        report.seen += staged.seen
        report.quarantined += staged.quarantined
        report.sources.update(staged.sources)
        report.formats.update(staged.formats)
        report.reasons.update(staged.reasons)
        progress(report.seen, size)
    return results


def _run(paths: list[Path], options: IngestOptions, folder: Path) -> Iterator[Staged]:
    """Derive all chunks: here when there is little to do, else in processes, a few chunks ahead of their results."""
    jobs = (
        (chunk, options.tenant, str(folder / f"{number:06d}"))
        for number, chunk in enumerate(_chunks(walk(paths, options.source)))
    )
    if options.workers < 2 or _size(paths) < INLINE_BYTES:  # noqa: PLR2004 - one worker is this process
        yield from (stage_chunk(*job) for job in jobs)
        return
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Staged]] = deque()
        for job in jobs:
            waiting.append(pool.submit(stage_chunk, *job))
            if len(waiting) > 2 * options.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _size(paths: list[Path]) -> int:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


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


def _removals(store: Store, options: IngestOptions, staged: list[Staged], folder: Path) -> Removal | None:
    """Find what a sync removes, and refuse when that is too much to be meant."""
    if not options.sync or options.source is None:
        return None
    removal = removals(store, folder, tenant=options.tenant, source=options.source)
    seen = sum(chunk.seen for chunk in staged)
    allowed = options.allow_removals
    if allowed is not None and removal.count <= allowed:
        return removal
    if not seen or removal.count > SAFE_REMOVALS * removal.present:
        raise ValidationError(
            f"the sync would remove {removal.count} of the {removal.present} records of source {options.source}",
            advice=f"If that is meant, pass --allow-removals {removal.count}. Nothing was changed.",
        )
    return removal
