"""What a relation must have: names and types of columns, and how each is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flows.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Kind(NamedTuple):
    """A kind of column: the types of DuckDB that it may have, and the expression that reads it as the first."""

    types: tuple[str, ...]
    read: Mapping[str, str] = {}


TEXT = Kind(("VARCHAR", "ENUM"), {"ENUM": "CAST({} AS VARCHAR)"})
TEXTS = Kind(("VARCHAR[]",))
# The bytes of a text are those of its UTF-8: a cast would read \x41 in it as a byte.
BYTES = Kind(("BLOB", "VARCHAR", "JSON"), {"VARCHAR": "encode({})", "JSON": "encode(CAST({} AS VARCHAR))"})
DIGEST = Kind(("BLOB",))
INTEGER = Kind(("BIGINT", "INTEGER", "SMALLINT"))
FLAG = Kind(("BOOLEAN",))
TIME = Kind(("TIMESTAMP WITH TIME ZONE",))

REQUIRED = ("tenant", "source")
CONTENT = ("line", "raw")
OF_LINES = ("normaliser", "severity_stated")
"""What a line does not say of its record, and a bundle does."""

COLUMNS: Mapping[str, Kind] = {
    "tenant": TEXT,
    "source": TEXT,
    "raw": BYTES,
    "line": BYTES,
    "locator": TEXT,
    "upstream_id": TEXT,
    "kind": TEXT,
    "sha256": TEXT,
    "key_hash": DIGEST,
    "id_hash": DIGEST,
    "raw_sha256": DIGEST,
    "line_sha256": DIGEST,
    "line_bytes": INTEGER,
    "revision": INTEGER,
    "tombstone": FLAG,
}
"""Columns that are looked at in every relation; of all others nothing is read."""

LINE_COLUMNS: Mapping[str, Kind] = {
    "subject": TEXT,
    "title": TEXT,
    "published": TIME,
    "modified": TIME,
    "withdrawn": TIME,
    "aliases": TEXTS,
    "purls": TEXTS,
    "ecosystems": TEXTS,
    "cpes": TEXTS,
    "severity_stated": TEXTS,
    "format": TEXT,
    "media_type": TEXT,
    "normaliser": TEXT,
}
"""Columns that are looked at beside these where a relation has lines: without lines, they are derived from ``raw``."""


def readers(described: Iterable[tuple[str, str]], relation: str) -> dict[str, str]:
    """Return, by column, the SQL expression that reads it.

    Args:
        described: Name and type of every column of the relation, as DuckDB describes it.
        relation: What to call it in messages.

    Raises:
        AdapterError: Columns are missing, or have the wrong type; all of them are named.
    """
    found = {name.lower(): (name, kind) for name, kind in described}
    looked_at = {**COLUMNS, **LINE_COLUMNS} if "line" in found else COLUMNS
    problems = [*_missing(found), *_mistyped(found, looked_at)]
    if problems:
        raise AdapterError(
            f"{relation}: {'; '.join(problems)}",
            advice="Name and cast columns in the relation; docs/sources.md lists them.",
        )
    return {
        name: looked_at[name].read.get(_base(kind), "{}").format(quoted(spelled))
        for name, (spelled, kind) in found.items()
        if name in looked_at
    }


def quoted(name: str) -> str:
    """Return a name as SQL writes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _missing(found: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    yield from (f"column {name} is missing" for name in REQUIRED if name not in found)
    if not any(name in found for name in CONTENT):
        yield "column raw is missing (or line)"
    if "line" in found:
        yield from (f"column {name} is missing, which goes with line" for name in OF_LINES if name not in found)
    if "revision" in found and "upstream_id" not in found:
        yield "column upstream_id is missing, which goes with revision"


def _mistyped(found: Mapping[str, tuple[str, str]], looked_at: Mapping[str, Kind]) -> Iterator[str]:
    for name, kind in looked_at.items():
        if name in found and _base(found[name][1]) not in kind.types:
            yield f"column {name} is {found[name][1]}, expected {' or '.join(kind.types)}"


def _base(kind: str) -> str:
    """Return a type without the values that an enumeration lists."""
    return "ENUM" if kind.startswith("ENUM(") and kind.endswith(")") else kind
