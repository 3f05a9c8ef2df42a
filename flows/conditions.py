"""Selectors as conditions: the one place where tenants are kept apart, for queries and for streams.

Texts from users only ever travel as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.criteria import visible_tenants
from flows.order import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.criteria import Selectors

_LOWER = "list_transform(?, lambda wanted: lower(wanted))"
"""Small letters of a parameter, made where those of the column are made: Python's are others, as for the Turkish I."""


@dataclass(frozen=True)
class Where:
    """A condition and its parameters; texts from users only ever travel as parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def where(selectors: Selectors) -> Where:
    """Compile selectors to one condition over the columns of evidence.schema.RECORDS."""
    parts = [_tenants(selectors), *_time_window(selectors), *_lists(selectors)]
    return Where(
        " AND ".join(f"({part.sql})" for part in parts),
        tuple(parameter for part in parts for parameter in part.parameters),
    )


def _tenants(selectors: Selectors) -> Where:
    """Keep tenants apart: plain values, which DuckDB hands on to a database, so that it sends nothing of others."""
    tenants = visible_tenants(selectors)
    if not tenants:
        return Where("false")
    return Where(f"tenant IN ({', '.join('?' * len(tenants))})", tuple(tenants))


def of_tenants_and_sources(batch: pa.RecordBatch, selectors: Selectors) -> pa.RecordBatch:
    """Return the rows of a batch that the conditions on tenants and sources take; the law: as ``where`` does."""
    chosen = pc.is_in(plain(batch.column("tenant")), value_set=pa.array(visible_tenants(selectors), pa.string()))
    if selectors.sources:
        sources = pa.array(selectors.sources, pa.string())
        chosen = pc.and_(chosen, pc.is_in(plain(batch.column("source")), value_set=sources))
    return batch if pc.all(chosen).as_py() else batch.filter(chosen)


def _time_window(selectors: Selectors) -> Iterator[Where]:
    """Half-open, on the parsed ``modified``; an absent one, or year 1, says nothing and is kept unless excluded."""
    unknown = "modified IS NULL OR modified < TIMESTAMPTZ '0002-01-01 00:00:00+00'"
    keep = f"{unknown} OR " if selectors.missing_modified == "include" else f"NOT ({unknown}) AND "
    window = selectors.time_window
    if window is None or (window.from_ is None and window.to is None):
        if selectors.missing_modified == "exclude":
            yield Where(f"NOT ({unknown})")
        return
    if window.from_ is not None:
        yield Where(f"{keep}modified >= ?", (window.from_,))
    if window.to is not None:
        yield Where(f"{keep}modified < ?", (window.to,))


def _lists(selectors: Selectors) -> Iterator[Where]:
    """A list that is given must be met; an empty one asks for nothing."""
    if selectors.sources:
        yield Where("source IN (SELECT unnest(?))", (list(selectors.sources),))
    if selectors.ids:
        yield Where("upstream_id IN (SELECT unnest(?))", (list(selectors.ids),))
    if selectors.ecosystems:
        bases = (
            "list_transform(ecosystems, lambda e: lower(e)) || "
            "list_transform(ecosystems, lambda e: lower(split_part(e, ':', 1)))"
        )
        yield Where(f"list_has_any({bases}, {_LOWER})", (list(selectors.ecosystems),))
    if selectors.severities:
        stated = "list_transform(severity_stated, lambda s: lower(s))"
        yield Where(f"list_has_any({stated}, {_LOWER})", (list(selectors.severities),))
    if selectors.sboms:
        ids = [each.removeprefix("sbom:") for each in selectors.sboms]
        yield Where(
            "kind <> 'sbom' OR upstream_id IN (SELECT unnest(?)) OR upstream_id IN (SELECT unnest(?))",
            (ids, list(selectors.sboms)),
        )
    if selectors.products:
        patterns = [glob(each) for each in selectors.products]
        yield Where(
            "len(list_filter(purls || [coalesce(subject, '')], lambda p: "
            "len(list_filter(?, lambda g: p LIKE g ESCAPE '\\')) > 0)) > 0",
            (patterns,),
        )


def glob(pattern: str) -> str:
    """Turn a pattern whose only wildcard is ``*`` into one for LIKE."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
