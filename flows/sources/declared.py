"""What settings declare: relations of evidence, and the databases they name.

There is no field for a password: it stays in the environment or in a file, where PostgreSQL's own client library finds
it (PGPASSWORD, PGPASSFILE, ``passfile``, ``service``). So it can be in no request, plan, message or log.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import msgspec.inspect

from flows.shapes import Problem, refuse, shape_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RECORD_TYPES = ("advisories", "vex", "sboms", "findings")
CONNECTION = {
    "application_name": "export-center",
    "connect_timeout": 10,  # seconds
    # A server that went away without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Parameters of every connection; what a database declares goes before them."""

MASK = "***"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_RESERVED = frozenset({"main", "memory", "pg_catalog", "information_schema", "system", "temp"})
_FILES = ("passfile", "sslcert", "sslkey", "sslrootcert")
_SECRET_FIELD = re.compile(r"pass(word|wd|phrase)?|pwd|secret|token|sslpassword")
_SECRET = re.compile(
    r"""(?ix) (?P<name> \b(?:ssl)?pass(?:word|wd)? \b | \bpwd\b | \b\w*secret\w*\b | \b\w*token\b )
    (?P<sign> \s* (?:=|:=|:) \s*) (?P<value> '(?:[^'\\]|''|\\.)*' | "[^"]*" | [^\s,;&)'"]+ )"""
)
_USER = re.compile(r"//[^/@\s'\"]+@")


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a PostgreSQL database is: parameters of its client library, under their own names."""

    host: str | None = None
    port: int | None = None
    dbname: str | None = None
    user: str | None = None
    service: str | None = None
    passfile: str | None = None
    sslmode: str | None = None
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    connect_timeout: int | None = None
    options: str | None = None

    @property
    def parameters(self) -> str:
        """The connection string, without a password."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in {**CONNECTION, **given}.items())


class S3(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A service that speaks S3; its keys come from AWS_* variables or AWS's own files."""

    endpoint: str | None = None
    region: str | None = None
    url_style: Literal["path", "vhost"] | None = None
    use_ssl: bool | None = None

    @property
    def secret(self) -> str:
        """The statement that makes the service known to DuckDB."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        options = "".join(f", {name} {literal(str(value).lower())}" for name, value in given.items())
        return f"CREATE SECRET s3 (TYPE s3, PROVIDER credential_chain, CHAIN 'env;config'{options})"


class Sources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The section ``sources``: per record type the relation that holds its records, in DuckDB's SQL.

    Attributes:
        advisories: A SELECT, or what can stand behind FROM: a table, a view, ``read_parquet('…')``.
        vex: The same for VEX documents.
        sboms: The same for SBOMs.
        findings: The same for findings.
        databases: Databases that relations name, by the name they use.
        s3: The service behind ``s3://``; None for AWS as its variables describe it.
        extensions: Names of DuckDB extensions that relations need beside those for PostgreSQL and S3.
    """

    advisories: str | None = None
    vex: str | None = None
    sboms: str | None = None
    findings: str | None = None
    databases: dict[str, Database] = {}
    s3: S3 | None = None
    extensions: tuple[str, ...] = ()

    @property
    def relations(self) -> Mapping[str, str]:
        """The declared relations by record type, in the order of members."""
        declared = {name: getattr(self, name) for name in RECORD_TYPES}
        return {name: relation for name, relation in declared.items() if relation is not None}

    def named(self, tables: Iterable[str]) -> tuple[str, ...]:
        """Return the databases that the relations of some record types name, perhaps by chance."""
        text = "\n".join(self.relations[table] for table in tables)
        return tuple(name for name in self.databases if re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE))

    def is_remote(self, table: str) -> bool:
        """Whether reading the relation of a record type may open a socket.

        Only an address, a declared database, or functions of extensions can: DuckDB alone reads local files.
        """
        if table not in self.relations:
            return False
        return "://" in self.relations[table] or bool(self.named([table]) or self.extensions or self.s3)

    def describe(self) -> Iterator[tuple[str, str]]:
        """Yield (name, value) of everything declared, as texts, with secrets masked."""
        for name, relation in self.relations.items():
            yield f"sources.{name}", masked(relation)
        places = {f"databases.{name}": database for name, database in self.databases.items()} | (
            {} if self.s3 is None else {"s3": self.s3}
        )
        for name, place in places.items():
            given = {field: value for field, value in msgspec.structs.asdict(place).items() if value is not None}
            yield f"sources.{name}", masked(" ".join(f"{field}={value}" for field, value in given.items()))
        if self.extensions:
            yield "sources.extensions", ", ".join(self.extensions)


_SHAPE = msgspec.inspect.type_info(Sources)


def parse_sources(value: object, *, where: str, folder: Path | None = None) -> Sources:
    """Return what a section declares.

    Args:
        value: The section as TOML gives it.
        where: The file, for messages.
        folder: Where relative paths of files start.

    Raises:
        ValidationError: With every offending field in ``details``, and never its value.
    """
    problems = list(_problems(value))
    if problems:
        advice = "docs/sources.md shows a whole section; a password belongs into PGPASSWORD or a passfile."
        raise refuse(f"{where}: sources", problems, advice=advice)
    declared = msgspec.convert(value, Sources)
    databases = {name: _with_files(database, folder or Path()) for name, database in declared.databases.items()}
    return msgspec.structs.replace(declared, databases=databases)


def literal(text: str) -> str:
    """Return a text as SQL writes it, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def masked(text: str) -> str:
    """Return a text without the passwords, secrets, tokens and users of addresses in it."""
    return _USER.sub(f"//{MASK}@", _SECRET.sub(rf"\g<name>\g<sign>{MASK}", text))


def _problems(value: object) -> Iterator[Problem]:
    found = list(shape_problems(_SHAPE, value))
    for problem in found:
        last = problem.path[-1] if problem.path else ""
        secret = isinstance(last, str) and _SECRET_FIELD.fullmatch(last.lower())
        yield problem._replace(message="secrets are not kept in settings") if secret else problem
    if not found and isinstance(value, dict):
        yield from _rule_problems(value)


def _rule_problems(value: dict[str, Any]) -> Iterator[Problem]:
    for name in RECORD_TYPES:
        if name in value and not value[name].strip():
            yield Problem((name,), "expected a relation, got an empty text")
    for name in value.get("databases", ()):
        if _NAME.fullmatch(name) is None or name in _RESERVED:
            yield Problem(("databases", name), "expected another name: a-z, 0-9 and _ only, and none of DuckDB's own")
    for position, name in enumerate(value.get("extensions", ())):
        if _NAME.fullmatch(name) is None:
            yield Problem(("extensions", position), "expected the name of an extension, such as httpfs")


def _with_files(database: Database, folder: Path) -> Database:
    given = {name: getattr(database, name) for name in _FILES}
    paths = {name: str(folder / Path(path).expanduser()) for name, path in given.items() if path is not None}
    return msgspec.structs.replace(database, **paths)


def _quoted(value: str) -> str:
    """Return a value as connection strings write it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
