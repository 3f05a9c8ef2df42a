"""What a relation must have, and how its columns are read."""

from __future__ import annotations

import pytest

from evidence.database import open_database
from flows.errors import AdapterError
from flows.sources.columns import readers

LEAST = [("tenant", "VARCHAR"), ("source", "VARCHAR"), ("raw", "BLOB")]
LINE = [*LEAST[:2], ("line", "VARCHAR"), ("normaliser", "VARCHAR"), ("severity_stated", "VARCHAR[]")]


def test_the_least_is_tenant_source_and_the_document() -> None:
    assert readers(LEAST, "source vex") == {"tenant": '"tenant"', "source": '"source"', "raw": '"raw"'}


def test_names_may_be_written_in_any_case_and_other_columns_are_left_alone() -> None:
    found = readers([("Tenant", "VARCHAR"), ("SOURCE", "VARCHAR"), ("Raw", "BLOB"), ('x"y', "INTEGER")], "source vex")
    assert found == {"tenant": '"Tenant"', "source": '"SOURCE"', "raw": '"Raw"'}


def test_hints_are_read_only_where_lines_cannot_be_derived() -> None:
    hints = [("modified", "TIMESTAMP"), ("purls", "INTEGER")]
    assert "modified" not in readers([*LEAST, *hints], "source vex")
    with pytest.raises(AdapterError, match="column modified is TIMESTAMP, expected TIMESTAMP WITH TIME ZONE"):
        readers([*LINE, *hints], "source vex")


REFUSED = {
    "nothing of what is needed": ([("a", "VARCHAR")], "column tenant is missing; column source is missing; column raw is missing (or line)"),
    "a document that is a number": ([*LEAST[:2], ("raw", "INTEGER")], "column raw is INTEGER, expected BLOB or VARCHAR or JSON"),
    "an owner that is a number": ([("tenant", "BIGINT"), *LEAST[1:]], "column tenant is BIGINT, expected VARCHAR or ENUM"),
    "a line without what made it": (LINE[:3], "column normaliser is missing, which goes with line; column severity_stated is missing"),
    "history without ids": ([*LEAST, ("revision", "BIGINT")], "column upstream_id is missing, which goes with revision"),
    "a revision with a fraction": ([*LEAST, ("upstream_id", "VARCHAR"), ("revision", "DOUBLE")], "column revision is DOUBLE"),
    "a digest in words": ([*LEAST, ("key_hash", "VARCHAR")], "column key_hash is VARCHAR, expected BLOB"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_every_missing_or_mistyped_column_is_named(case: str) -> None:
    described, message = REFUSED[case]
    with pytest.raises(AdapterError) as caught:
        readers(described, "source vex")
    assert caught.value.message.startswith("source vex: ")
    assert message in caught.value.message


READ = {
    "bytes": ("BLOB", r"'\x41\x42'::BLOB", b"AB"),
    "a text with what looks like an escape": ("VARCHAR", r"'\x41é'", r"\x41é".encode()),
    "JSON as it was written": ("JSON", """'{"a":  1.50}'::JSON""", b'{"a":  1.50}'),
}


@pytest.mark.parametrize("case", READ)
def test_documents_are_read_as_their_bytes(case: str) -> None:
    kind, value, expected = READ[case]
    reader = readers([*LEAST[:2], ("raw", kind)], "source vex")["raw"]
    with open_database() as connection:
        assert connection.execute(f"SELECT {reader} FROM (SELECT {value} AS raw)").fetchall() == [(expected,)]


def test_an_enumeration_is_read_as_text() -> None:
    reader = readers([("tenant", "ENUM('a', 'b')"), *LEAST[1:]], "source vex")["tenant"]
    with open_database() as connection:
        assert connection.execute(f"SELECT {reader} FROM (SELECT 'a'::ENUM('a', 'b') AS tenant)").fetchall() == [("a",)]
