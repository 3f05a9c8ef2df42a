"""A declared relation as queries: what it is, which rows are current, and in which slices they can be read.

The relation itself is the operator's own SQL, from the settings. Everything that comes from requests is a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from flows.conditions import Where
from flows.errors import AdapterError, SourceFailedError
from flows.sources.columns import quoted, readers
from flows.sources.connecting import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMES = ("tenant", "source")
KEY = (*NAMES, "upstream_id", "locator")


class LargeDocumentsError(AdapterError):
    """As many rows as DuckDB takes at once do not fit into its memory: fewer may."""


@dataclass(frozen=True)
class Relation:
    """A relation that was looked at.

    Attributes:
        table: Its record type.
        statement: The one SELECT that it is.
        readers: By column, the expression that reads it.
    """

    table: str
    statement: str
    readers: dict[str, str]

    def without_owner(self) -> str:
        """Return the query that counts rows without what every row must have."""
        needed = [self.readers[name] for name in (*NAMES, "revision") if name in self.readers]
        condition = " OR ".join(f"{reader} IS NULL" for reader in needed)
        return f"SELECT count(*) FROM ({self.statement}\n) WHERE {condition}"  # noqa: S608 - own names

    def current(self, condition: Where) -> str:
        """Return the query for the current rows among those that meet a condition on parts of the key."""
        query = self._meeting(condition, tuple(self.readers))
        if "revision" in self.readers:
            key = ", ".join(name for name in KEY if name in self.readers)
            query += f" QUALIFY revision = max(revision) OVER (PARTITION BY {key})"
        return f"FROM ({query}) WHERE tombstone IS NOT TRUE" if "tombstone" in self.readers else query

    def slices(self, connection: duckdb.DuckDBPyConnection, condition: Where, keys: int) -> Iterator[Where]:
        """Cut a condition into ones that at most so many keys meet; with 0, or without a key, it stays whole.

        A database is asked for such a range by UTF-8 bytes, whatever it sorts by itself.
        """
        key = next((name for name in ("locator", "upstream_id") if name in self.readers), None)
        if not keys or key is None:
            yield condition
            return
        last: tuple[str, ...] = ()
        for (end,) in run(connection, self.table, self._ends(condition, key, keys), condition.parameters).fetchall():
            yield _both(condition, f"{key} <= ?" + f" AND {key} > ?" * len(last), end, *last)
            last = (end,)
        yield _both(condition, f"{key} > ?" if last else f"{key} IS NOT NULL", *last)
        nameless = f"SELECT 1 FROM ({self._meeting(condition, (*NAMES, key))}) WHERE {key} IS NULL LIMIT 1"  # noqa: S608 - own names
        if run(connection, self.table, nameless, condition.parameters).fetchall():
            yield _both(condition, f"{key} IS NULL")

    def _meeting(self, condition: Where, names: Sequence[str]) -> str:
        columns = ", ".join(f"{self.readers[name]} AS {quoted(name)}" for name in names)
        return f"SELECT * FROM (SELECT {columns} FROM ({self.statement}\n)) WHERE {condition.sql}"  # noqa: S608 - see above

    def _ends(self, condition: Where, key: str, keys: int) -> str:
        distinct = f"SELECT DISTINCT {key} FROM ({self._meeting(condition, (*NAMES, key))}) WHERE {key} IS NOT NULL"  # noqa: S608 - own names
        numbered = f"SELECT {key}, row_number() OVER (ORDER BY {key}) AS n FROM ({distinct})"  # noqa: S608 - own names
        return f"SELECT {key} FROM ({numbered}) WHERE n % {keys} = 0 ORDER BY {key}"  # noqa: S608 - own names


def found(connection: duckdb.DuckDBPyConnection, relation: str, table: str) -> Relation:
    """Look at a declared relation.

    Raises:
        AdapterError: It is no relation, cannot be read, or lacks what it must have.
    """
    statement = _statement(connection, relation, table)
    rows = run(connection, table, f"DESCRIBE FROM ({statement}\n)").fetchall()
    return Relation(table, statement, readers([(row[0], row[1]) for row in rows], f"source {table}"))


def run(
    connection: duckdb.DuckDBPyConnection, table: str, query: str, parameters: Sequence[Any] = ()
) -> duckdb.DuckDBPyConnection:
    """Run a query on a relation.

    Raises:
        AdapterError: It failed; the message says why, without secrets.
    """
    try:
        return connection.execute(query, list(parameters))
    except duckdb.Error as error:
        raise unreadable(table, error) from error


def unreadable(table: str, error: BaseException) -> AdapterError:
    """Return the error for a relation that could not be read, or not to its end."""
    reason = one_line(error)
    if "Out of Memory" in reason:
        return LargeDocumentsError(
            f"source {table} cannot be read: {reason.partition(' Possible solutions')[0]}",
            advice="Raise memory_limit, or give the relation a column locator, by which it is read in smaller parts.",
        )
    if "INTERRUPT Error" in reason:
        # What one thread of DuckDB met ends the others, and sometimes only their end is told.
        reason = "it broke off in the middle; its log may tell why"
    failed = SourceFailedError if isinstance(error, (OSError, duckdb.IOException)) else AdapterError
    return failed(
        f"source {table} cannot be read: {reason}",
        advice="Nothing was written. `export-center doctor` tells whether its relation can be reached.",
    )


def _statement(connection: duckdb.DuckDBPyConnection, relation: str, table: str) -> str:
    """Return a declared relation as one SELECT."""
    problem = ""
    for text in (relation, f"FROM {relation}"):
        try:
            statements = connection.extract_statements(text)
        except duckdb.Error as error:
            problem = f": {one_line(error)}" if text is relation else problem
            continue
        if [statement.type for statement in statements] == [duckdb.StatementType.SELECT]:
            return str(statements[0].query).rstrip().removesuffix(";")
    raise AdapterError(
        f"source {table} is neither one SELECT nor what can stand behind FROM{problem}",
        advice="See docs/sources.md.",
    )


def _both(condition: Where, also: str, *parameters: str) -> Where:
    return Where(f"{condition.sql} AND {also}", (*condition.parameters, *parameters))
