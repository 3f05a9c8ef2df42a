"""Rows that older releases wrote, completed while they are read: they lack what records are searched by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from evidence.schema import RECORDS
from evidence.terms import terms_of_line
from flows.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TERMS = RECORDS.field("terms")


def with_place_for_terms(table: pa.Table) -> pa.Table:
    """Return a table with the column ``terms``, all null where it had none."""
    return table if TERMS.name in table.schema.names else table.append_column(TERMS, pa.nulls(len(table), TERMS.type))


def with_terms(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches whose column ``terms`` is whole: what is missing or null is computed from the lines.

    Raises:
        StorageError: A line is none.
    """
    for batch in batches:
        place = batch.schema.get_field_index(TERMS.name)
        if place < 0:
            yield batch.append_column(TERMS, _computed(batch.column("line"), [None] * len(batch)))
        elif batch.column(place).null_count:
            known = batch.column(place).to_pylist()
            yield batch.set_column(place, TERMS, _computed(batch.column("line"), known))
        else:
            yield batch


def _computed(lines: pa.Array, known: list[list[int] | None]) -> pa.Array:
    try:
        found = [
            terms_of_line(line) if each is None else each for each, line in zip(known, lines.to_pylist(), strict=True)
        ]
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"the evidence store has a line that is no record: {error}", advice="Ingest its evidence into a new store."
        ) from error
    return pa.array(found, TERMS.type)
