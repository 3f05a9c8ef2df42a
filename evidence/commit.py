"""From staged rows to a new snapshot: what is new is appended, what a sync no longer found gets a tombstone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from evidence.comparison import STAGED_TABLES, Comparison, Counts, Removal
from evidence.database import open_database
from evidence.errors import ValidationError
from evidence.line import Identity, Rejected, derive
from evidence.pieces import History, in_order, observed
from evidence.schema import KIND_OF_TABLE, STORE_TABLES
from evidence.staging import STAGED, Origin, write_piece, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from evidence.ingest import IngestOptions
    from evidence.store import Snapshot, Store, Writing

SAFE_PART = 10
"""One in so many of a source's records may be removed by a sync without being told so."""

LATER_PIECES, TOMBSTONES = 50_000_000, 75_000_000
"""First numbers of pieces that are written here; those of workers are lower."""

REPEATS_AT_ONCE = 200


@dataclass(frozen=True)
class Committed:
    """What became of the staged rows."""

    stored: int
    unchanged: int
    superseded: int
    removed: int
    snapshot: int
    conflicts: tuple[str, ...]


def commit_staged(store: Store, folder: Path, options: IngestOptions, source: str | None) -> Committed:
    """Append what is new in a folder of staged rows, and make it a snapshot.

    Args:
        store: Where to.
        folder: The pieces and their keys.
        options: Whose rows they are, and what a sync may do.
        source: The source's name as stored; None unless it was given.

    Raises:
        ValidationError: A sync would remove too much; nothing was changed.
        StorageError: The store cannot be read or written; nothing new is visible.
    """
    whole = source if options.sync else None
    with store.writing() as writing, open_database(spill=folder / "spill") as connection:
        comparison = Comparison(connection, store, writing.previous, folder)
        for table in KIND_OF_TABLE:
            _number_repeated_lines(comparison, table, options.tenant, folder)
        counts = [comparison.compare(table, whole=whole is not None) for table in KIND_OF_TABLE]
        comparison.compare("quarantine", whole=True)
        removed = _remove(comparison, folder, options, whole) if whole is not None else 0
        if comparison.released(options.tenant, whole):
            _write_tombstones(comparison, folder, "quarantine")
        return _committed(counts, comparison, removed, _append(writing, comparison, folder, options.observed_at))


def _committed(records: list[Counts], comparison: Comparison, removed: int, snapshot: Snapshot) -> Committed:
    return Committed(
        stored=sum(each.stored for each in records),
        unchanged=sum(each.unchanged for each in records),
        superseded=sum(each.superseded for each in records),
        removed=removed,
        snapshot=snapshot.id,
        conflicts=tuple(name for table in KIND_OF_TABLE for name in comparison.conflicts(table)),
    )


def _append(writing: Writing, comparison: Comparison, folder: Path, observed_at: datetime) -> Snapshot:
    """Append what is new, and return its snapshot; the one before when nothing is."""
    history = History(writing.revision, observed_at)
    fresh = {table: count for table in STAGED_TABLES if (count := comparison.fresh(table))}
    for table, count in fresh.items():
        rows = in_order(comparison.places(table), folder, table)
        writing.append(table, observed(rows, STORE_TABLES[table], history, count=count))
    if "advisories" in fresh:
        count, affected = comparison.affected()
        if count:
            writing.append("affected", observed(affected, STORE_TABLES["affected"], history, count=count))
    return writing.commit(observed_at) if fresh else writing.previous


def _number_repeated_lines(comparison: Comparison, table: str, tenant: str, folder: Path) -> None:
    """Stage lines again that need a locator: their file has their id more than once, or they have none."""
    repeated = comparison.repeated(table)
    for piece, start in enumerate(range(0, len(repeated), REPEATS_AT_ONCE), start=LATER_PIECES):
        rows = [_numbered(folder, table, tenant, each) for each in repeated[start : start + REPEATS_AT_ONCE]]
        write_rows({table: rows}, folder, piece)
        comparison.add(table, piece)


def _numbered(folder: Path, table: str, tenant: str, place: tuple[Any, ...]) -> tuple[Any, Origin]:
    piece, row, source, origin, file, line, locator = place
    with pa.memory_map(str(folder / f"{piece:08d}-{table}.arrow")) as mapped:
        raw = pa.ipc.open_file(mapped).read_all().column("raw")[row].as_py()
    made = derive(raw, Identity(tenant, source, locator))
    if isinstance(made, Rejected):
        raise TypeError(f"a line that was accepted is rejected under another locator: {made.reason}")
    return made, Origin(origin, file, line)


def _remove(comparison: Comparison, folder: Path, options: IngestOptions, source: str) -> int:
    """Stage tombstones of what the source had and PATH lacks; refuse when that is too much to be meant."""
    found = {table: comparison.missing(table, options.tenant, source) for table in KIND_OF_TABLE}
    total = Removal(sum(each.count for each in found.values()), sum(each.present for each in found.values()))
    _refuse_many(total, options.allow_removals, source)
    for table, removal in found.items():
        if removal.count:
            _write_tombstones(comparison, folder, table)
    return total.count


def _refuse_many(removal: Removal, allowed: int | None, source: str) -> None:
    limit = removal.present // SAFE_PART if allowed is None else allowed
    if removal.count > limit:
        raise ValidationError(
            f"the sync would remove {removal.count:,} of the {removal.present:,} records of source {source}",
            advice=f"If that is meant, pass --allow-removals {removal.count}. Nothing was changed.",
        )


def _write_tombstones(comparison: Comparison, folder: Path, table: str) -> None:
    """Write pieces of tombstones: the identity stays, the content goes."""
    for number, batch in enumerate(comparison.last_rows(table), start=TOMBSTONES):
        piece = pa.Table.from_batches([_tombstones(batch, STAGED[table])])
        rows = piece.num_rows
        write_piece(piece, (folder, table, number), [Origin("", 0, 0)] * rows, [0] * rows)
        comparison.add_fresh(table, number)


def _tombstones(identities: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns: Iterator[Any] = (
        identities.column(field.name).cast(field.type)
        if field.name in identities.schema.names
        else pa.array([field.name == "tombstone" or _empty(field)] * identities.num_rows, field.type)
        for field in schema
    )
    return pa.RecordBatch.from_arrays(list(columns), schema=schema)


def _empty(field: pa.Field) -> Any:
    """Return the value of a column of which nothing is left."""
    if pa.types.is_list(field.type):
        return []
    if field.nullable:
        return None
    if pa.types.is_integer(field.type):
        return 0
    return b"" if pa.types.is_binary(field.type) else ""
