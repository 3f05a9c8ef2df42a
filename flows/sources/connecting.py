"""One connection of DuckDB to everything that relations name, and one transaction over all of it.

PostgreSQL gives such a transaction one snapshot (REPEATABLE READ, READ ONLY) when it is first read; everything read of
one database is of one moment.
"""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from evidence.database import open_database
from evidence.errors import reason_of
from flows.errors import AdapterError, SourceFailedError
from flows.sources.declared import literal, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flows.sources.declared import S3, Sources

POSTGRES = "postgres_scanner"
S3_EXTENSIONS = ("httpfs", "aws")
SUFFIX = ".duckdb_extension"


@contextmanager
def connected(
    sources: Sources, tables: Sequence[str], *, spill: Path, memory_limit: str, threads: int = 1
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that sees what the relations of some tables name, in one transaction.

    Raises:
        AdapterError: An extension is missing, or a database cannot be reached.
    """
    with open_database(spill=spill, memory_limit=memory_limit, threads=threads) as connection:
        # Else DuckDB takes what somebody once installed in the home folder.
        connection.execute("SET autoload_known_extensions = false")
        for name in (*(S3_EXTENSIONS if sources.s3 else ()), *sources.extensions):
            load(connection, name)
        if sources.s3:
            _reach_s3(connection, sources.s3)
        for name in sources.named(tables):
            attach(connection, sources, name)
        # Beyond 2 GiB of documents a batch needs wide offsets.
        connection.execute("SET arrow_large_buffer_size = true")
        connection.execute("SET lock_configuration = true")
        connection.execute("BEGIN TRANSACTION")
        try:
            yield connection
        finally:
            # Closing with a transaction open would do the same, and end the whole process when a server is gone.
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")


def load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from the package that carries it; DuckDB checks its signature, and no network is used.

    Raises:
        AdapterError: It is not installed, or does not fit this DuckDB.
    """
    try:
        connection.execute(f"LOAD {literal(str(extension_file(name)))}")
    except duckdb.Error as error:
        raise AdapterError(f"DuckDB's extension {name} cannot be loaded: {one_line(error)}") from error


def extension_file(name: str) -> Path:
    """Return the file of an installed extension.

    Raises:
        AdapterError: No package carries it for this version of DuckDB.
    """
    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    for folder in found.submodule_search_locations or () if found else ():
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}{SUFFIX}"
        if file.is_file():
            return file
    wanted = f"{package.replace('_', '-')}=={duckdb.__version__}"
    extra = " It is part of the extra export-center[postgres]." if name == POSTGRES else ""
    raise AdapterError(f"DuckDB's extension {name} is not installed", advice=f"Install {wanted}.{extra}")


def attach(connection: duckdb.DuckDBPyConnection, sources: Sources, name: str) -> None:
    """Attach a declared database under its name, for reading.

    Raises:
        SourceFailedError: It cannot be reached, or refuses the user.
    """
    load(connection, POSTGRES)
    address = sources.databases[name].parameters
    try:
        connection.execute(f"ATTACH {literal(address)} AS {_identifier(name)} (TYPE postgres, READ_ONLY)")
    except duckdb.Error as error:
        reason = one_line(error).replace(f'Unable to connect to Postgres at "{address}": ', "")
        raise SourceFailedError(
            f"source database {name} cannot be reached: {reason}",
            advice="See [sources.databases] in the settings; passwords come from PGPASSWORD or a passfile.",
        ) from error


def _reach_s3(connection: duckdb.DuckDBPyConnection, service: S3) -> None:
    try:
        connection.execute(service.secret)
    except duckdb.Error as error:
        raise AdapterError(
            f"the service in [sources.s3] cannot be used: {one_line(error)}",
            advice="Its keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from AWS's own files.",
        ) from error


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def one_line(error: BaseException) -> str:
    """Return an error's text in one line, with secrets masked."""
    return masked(reason_of(error))
