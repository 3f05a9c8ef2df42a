"""A real PostgreSQL server for a session, and real evidence in a store and in that server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair
from evidence.database import open_database
from flows.request import ExportRequest
from flows.sources.declared import Sources, parse_sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.conftest import RealStore
    from tests.postgres_server import Postgres

Document = tuple[str, str, str, bytes]
"""Tenant, source, locator and original bytes: what a source must know of a document."""


@pytest.fixture(scope="session")
def documents(real_store: RealStore) -> dict[str, list[Document]]:
    """The current documents of the store by record type, in no order that an export would have."""
    with open_database() as connection:
        query = "SELECT tenant, source, locator, raw FROM read_parquet(?) WHERE NOT tombstone ORDER BY sha256"
        return {table: connection.execute(query, [list(files)]).fetchall() for table, files in real_store.files.items()}


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("key")
    save_key_pair(folder, "test", generate_key_pair())
    return folder


@pytest.fixture
def ask(key_folder: Path, tmp_path: Path) -> Callable[..., ExportRequest]:
    """Return a function that makes a request; without a word about it, over a store that is empty."""

    def request(name: str = "bundle.tar.zst", **more: Any) -> ExportRequest:
        given = {"profile": "json-raw", "store": str(tmp_path / "no-store"), "key": f"file:{key_folder / 'test.key'}"}
        (tmp_path / "out").mkdir(exist_ok=True)
        return ExportRequest(**{**given, "out": str(tmp_path / "out" / name), **more})

    return request


@pytest.fixture
def declare() -> Callable[..., Sources]:
    """Return a function that declares relations, over a database named ``team`` when it is given a server."""

    def declared(
        server: Postgres | None = None, *, database: dict[str, object] | None = None, **more: object
    ) -> Sources:
        address = {} if server is None else server.declared(**{"passfile": str(server.passfile), **(database or {})})
        return parse_sources({"databases": {"team": address} if address else {}, **more}, where="test")

    return declared
