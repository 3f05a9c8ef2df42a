"""Opening the ledger: SQLite on one machine, PostgreSQL for many.

Access is synchronous, in short transactions. SQLite takes one writer at a time: transactions that write say so from the
beginning, wait for their turn, and so never fail half-way because another was faster.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from ledger.errors import LedgerError
from ledger.tables import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.exc import OperationalError

BUSY_MS = 10_000
"""How long a writer waits for its turn."""

CONNECT_SECONDS = 5
POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 35}
"""Connections: as many as there may be threads at once (40 of requests, and those beside them), kept or not."""

LOCK_NOT_AVAILABLE = "55P03"
"""What PostgreSQL says when somebody has waited for so long."""


def _untold(_kind: str, _seconds: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Ledger:
    """An open ledger.

    Attributes:
        engine: Its database.
        timed: Told of every transaction: "read" or "write", and the seconds it took, its wait for its turn included.
    """

    engine: Engine
    timed: Callable[[str, float], object] = _untold

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; it is kept when the block ends well, else nothing of it is."""
        with self._timing("write"), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with connection.begin() if not self.is_sqlite else _committing(connection):
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for reading one consistent state."""
        with self._timing("read"), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection
            connection.rollback()

    @contextmanager
    def _timing(self, kind: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timed(kind, time.perf_counter() - began)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _committing(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def open_ledger(url: str, *, timed: Callable[[str, float], object] = _untold) -> Ledger:
    """Open a ledger, and make the tables, columns and indexes that are not there.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
        timed: Told of every transaction, as ``Ledger.timed`` says.

    Raises:
        LedgerError: It cannot be opened.
    """
    address = _parsed(url)
    engine = None
    try:
        engine = _engine(address)
        _complete(engine)
    except (SQLAlchemyError, OSError) as error:
        if engine is not None:
            engine.dispose()
        raise LedgerError(
            f"the ledger {_shown(address)} cannot be opened: {_why(error)}",
            advice="Check the setting `ledger`, and that the database is there and may be written.",
        ) from error
    return Ledger(engine, timed)


def is_busy(error: OperationalError) -> bool:
    """Whether a transaction failed because it waited too long for others; else the database is away or broken."""
    return getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE or "database is locked" in str(error.orig)


def _complete(engine: Engine) -> None:
    """Make what an empty ledger, or one of an older version, lacks. New columns are such that rows need no value."""
    with engine.begin() as connection:
        _lock_all(connection)
        METADATA.create_all(connection)
        found = inspect(connection)
        for table in METADATA.sorted_tables:
            there = {column["name"] for column in found.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    added = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")
            for index in table.indexes:
                index.create(connection, checkfirst=True)


def _lock_all(connection: Connection) -> None:
    """Let one server at a time change what a ledger looks like."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(17)")


def _why(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _shown(url: URL) -> str:
    """Return an address without what may be a secret in it."""
    return url.set(query={}).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # Neither the address nor what is wrong with it: somewhere in there may be a password.
        raise LedgerError(
            "the address of the ledger is none", advice="Use sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None


def _engine(parsed: URL) -> Engine:
    if parsed.drivername in ("postgresql", "postgres"):
        patience = {"options": f"-c lock_timeout={BUSY_MS}", "connect_timeout": CONNECT_SECONDS}
        address = parsed.set(drivername="postgresql+psycopg")
        return create_engine(address, pool_pre_ping=True, **POOL, connect_args=patience)
    if parsed.drivername != "sqlite" or not parsed.database:
        raise LedgerError(
            f"the ledger {_shown(parsed)} is of an unknown kind",
            advice="Use sqlite:///PATH or postgresql://USER@HOST/NAME.",
        )
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **POOL, connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: Any, _record: object) -> None:
    """Leave transactions to us, and choose what survives a crash: WAL, synced at every commit."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
