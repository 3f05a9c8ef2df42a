"""Stores that an older release wrote are exported as if they had been written today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evidence.line import Identity, Rejected, derive
from flows.criteria import Selectors
from flows.errors import StorageError
from flows.older import with_terms
from flows.selection import Scan, batches, sorted_batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READINGS = {"as they lie": batches, "sorted": sorted_batches}


@pytest.fixture
def rows(make_row: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Six records as ingest derives them, the last of them gone."""
    found = []
    for number in range(5):
        raw = b'{"id": "OSV-%d", "modified": "2024-01-01T00:00:00Z", "summary": "word%d and others"}' % (number, number)
        made = derive(raw, Identity("default", "feed", ""))
        assert not isinstance(made, Rejected)
        values = made._asdict()
        del values["affected"]
        found.append({**make_row(values["upstream_id"]), **values})
    return [*found, make_row("OSV-5", tombstone=True)]


def scan(tmp_path: Path, *files: Path) -> Scan:
    return Scan(files=tuple(map(str, files)), selectors=Selectors(tenants=("default",)), spill=tmp_path / "spill")


def without_terms(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["terms"]), path)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("older", [(), (0,), (1,), (0, 1)], ids=["neither", "the first", "the second", "both"])
def test_the_terms_that_files_lack_are_those_that_ingest_makes(
    tmp_path: Path, rows: list[dict[str, Any]], write_rows: Callable[..., str], reading: str, older: tuple[int, ...]
) -> None:
    files = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    write_rows(files[0], rows[:3])
    write_rows(files[1], rows[3:])
    for number in older:
        without_terms(files[number])
    found = [
        row
        for batch in READINGS[reading](scan(tmp_path, *files))
        for row in batch.select(["upstream_id", "terms"]).to_pylist()
    ]
    assert found == [{"upstream_id": row["upstream_id"], "terms": row["terms"]} for row in rows[:5]]
    assert all(len(row["terms"]) == 4 for row in found)


def test_a_line_that_is_none_is_told(rows: list[dict[str, Any]]) -> None:
    broken = pa.RecordBatch.from_pylist([{"line": rows[0]["line"]}, {"line": b"no record"}])
    with pytest.raises(StorageError, match="a line that is no record"):
        list(with_terms([broken]))
