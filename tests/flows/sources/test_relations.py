"""Relations as queries: one SELECT, its current rows, and slices of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.database import open_database
from flows.conditions import Where
from flows.errors import AdapterError
from flows.sources.relations import LargeDocumentsError, Relation, found, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING = Where("TRUE")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_database() as opened:
        opened.execute("CREATE TABLE docs (tenant VARCHAR, source VARCHAR, locator VARCHAR, raw BLOB)")
        yield opened


RELATIONS = {
    "a table": "docs",
    "a SELECT": "SELECT * FROM docs",
    "a SELECT that ends as statements do": "SELECT * FROM docs ;",
    "a remark at its end": "SELECT * FROM docs -- all of them",
    "the short form": "FROM docs WHERE tenant = 'a'",
    "a common table": "WITH d AS (SELECT * FROM docs) SELECT * FROM d",
    "values": "(VALUES ('a', 'b', 'c'::BLOB)) AS v (tenant, source, raw)",
}


@pytest.mark.parametrize("case", RELATIONS)
def test_a_relation_is_a_select_or_what_can_stand_behind_from(case: str, connection: duckdb.DuckDBPyConnection) -> None:
    relation = found(connection, RELATIONS[case], "vex")
    assert list(relation.readers)[:2] == ["tenant", "source"]
    assert connection.execute(relation.current(EVERYTHING)).description is not None


NO_RELATIONS = {
    "two statements": ("SELECT * FROM docs; DROP TABLE docs", "neither one SELECT nor what can stand behind FROM"),
    "a statement that changes": ("INSERT INTO docs SELECT * FROM docs", "neither one SELECT"),
    "a setting": ("SET threads = 1", "neither one SELECT"),
    "an extension": ("INSTALL httpfs", "Table with name INSTALL does not exist"),
    "nonsense": ("SELECT FROM WHERE", "behind FROM: Parser Error: "),
    "a way out of the parentheses": ("docs) UNION ALL (SELECT 1", "neither one SELECT"),
    "a table that is not there": ("nonesuch", "source vex cannot be read: Catalog Error: Table with name nonesuch does not"),
    "a column that is not there": ("SELECT nonesuch FROM docs", 'cannot be read: Binder Error: Referenced column "nonesuch" not'),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_RELATIONS)
def test_what_is_no_relation_is_refused_and_does_nothing(case: str, connection: duckdb.DuckDBPyConnection) -> None:
    text, message = NO_RELATIONS[case]
    with pytest.raises(AdapterError) as caught:
        found(connection, text, "vex")
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert connection.execute("SELECT count(*) FROM docs").fetchall() == [(0,)]


History = list[tuple[str, str, int, bool]]
HISTORIES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", None]), st.integers(1, 4), st.booleans()),
    max_size=12, unique_by=lambda row: row[:3],
)  # fmt: skip


@given(HISTORIES)
@settings(max_examples=30)
def test_the_current_rows_are_the_last_of_each_key_unless_removed(history: History) -> None:
    with open_database() as connection:
        connection.execute(
            "CREATE TABLE docs (tenant VARCHAR, source VARCHAR, upstream_id VARCHAR, revision INT, tombstone BOOLEAN, raw BLOB)"
        )
        for tenant, name, revision, dead in history:
            connection.execute("INSERT INTO docs VALUES (?, 's', ?, ?, ?, '')", [tenant, name, revision, dead])
        relation = found(connection, "docs", "vex")
        rows = connection.execute(relation.current(Where("tenant IN (?)", ("a",))), ["a"]).fetchall()
    names = list(relation.readers)
    taken = {(row[names.index("upstream_id")], row[names.index("revision")]) for row in rows}
    newest = {
        name: max(each[2] for each in history if each[:2] == ("a", name)) for owner, name, *_ in history if owner == "a"
    }
    assert taken == {
        (name, number) for owner, name, number, dead in history if owner == "a" and newest[name] == number and not dead
    }
    assert len(rows) == len(taken)


def test_a_tombstone_without_history_removes_a_row(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("INSERT INTO docs VALUES ('a', 's', '1', ''), ('a', 's', '2', ''), ('a', 's', '3', '')")
    relation = found(connection, "SELECT *, [NULL, true, false][locator::INT] AS tombstone FROM docs", "vex")
    rows = connection.execute(f"SELECT locator FROM ({relation.current(EVERYTHING)}) ORDER BY 1").fetchall()
    assert rows == [("1",), ("3",)]


@given(st.lists(st.one_of(st.none(), st.text(alphabet="aB_é\U0001f600", max_size=2)), max_size=20), st.integers(1, 5))
@settings(max_examples=30)
def test_slices_are_of_bounded_size_and_together_the_whole(keys: list[str | None], count: int) -> None:
    with open_database() as connection:
        connection.execute("CREATE TABLE docs (tenant VARCHAR, source VARCHAR, locator VARCHAR, raw BLOB)")
        for key in keys:
            connection.execute("INSERT INTO docs VALUES ('a', 's', ?, ''), ('b', 's', 'other', '')", [key])
        relation = found(connection, "docs", "vex")
        condition = Where("tenant IN (?)", ("a",))
        slices = [
            [
                row[list(relation.readers).index("locator")]
                for row in connection.execute(relation.current(each), list(each.parameters)).fetchall()
            ]
            for each in relation.slices(connection, condition, count)
        ]
    together = [key for each in slices for key in each]
    assert sorted(together, key=repr) == sorted(keys, key=repr)
    assert all(len(set(each)) <= count for each in slices)


def test_a_relation_without_anything_to_slice_by_stays_whole(connection: duckdb.DuckDBPyConnection) -> None:
    relation = Relation("vex", "FROM docs", {"tenant": "tenant", "source": "source", "raw": "raw"})
    assert list(relation.slices(connection, EVERYTHING, 2)) == [EVERYTHING]


def test_errors_hide_secrets_and_tell_documents_that_are_too_large_apart() -> None:
    error = unreadable("vex", duckdb.Error('IO Error: cannot open "postgresql://u:hunter2@h/d"\n  password=hunter2'))
    assert error.message == 'source vex cannot be read: IO Error: cannot open "postgresql://***@h/d" password=***'
    large = unreadable("vex", duckdb.Error("Out of Memory Error: failed (1/2 used)\n\nPossible solutions:\n* x"))
    assert isinstance(large, LargeDocumentsError)
    assert large.message == "source vex cannot be read: Out of Memory Error: failed (1/2 used)"
    broken = unreadable("vex", OSError("INTERRUPT Error: Interrupted!"))
    assert broken.message == "source vex cannot be read: it broke off in the middle; its log may tell why"
